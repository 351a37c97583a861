/* QEMU's control protocol, as far as a snapshot needs it (QEMU's docs/interop/qmp-spec.txt): one JSON object
 * a line over a socket. A QEMU that its guest has taken over may say anything: lines are bounded, deadlines
 * kept.
 */
#ifndef PE_WORKER_VMM_QMP_H
#define PE_WORKER_VMM_QMP_H

#include "base/buffer.h"
#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct qmp {
    int fd;               /* borrowed */
    uint64_t deadline_us; /* for everything together, on pe_now_us's clock */
    struct pe_buf received;
    bool resumed; /* the event RESUME has been seen: the VM runs */
};

void qmp_free(struct qmp *qmp);
#define autoqmp __attribute__((cleanup(qmp_free)))

/* Read the greeting and leave negotiation mode. After this QEMU's main loop runs. */
int qmp_begin(struct qmp *qmp, struct pe_error *err) PE_MUST_CHECK;

/* Run `command` with `arguments` (stolen; NULL: none), `fd` (-1: none) travelling along. Its return value is
 * the caller's, unless `value` is NULL. Of events that come first only RESUME is kept. The error is QEMU's
 * own sentence. */
int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, int fd, json_t **value,
                struct pe_error *err) PE_MUST_CHECK;

/* Wait until the VM runs, if it does not since a command before. */
int qmp_await_resume(struct qmp *qmp, struct pe_error *err) PE_MUST_CHECK;

#endif
