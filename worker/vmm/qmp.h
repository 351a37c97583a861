/* SPDX-License-Identifier: Apache-2.0 */
/* A client for QMP, QEMU's control protocol (QEMU's docs/interop/qmp-spec.txt): one JSON object per
 * line over a socket. It has what snapshots need. A QEMU that its guest has taken over may send
 * anything, so lines are bounded and deadlines are kept. */
#ifndef PE_WORKER_VMM_QMP_H
#define PE_WORKER_VMM_QMP_H

#include "base/buffer.h"
#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct qmp {
    int fd;                 /* borrowed: the socket */
    uint64_t deadline_us;   /* for all calls together, on the clock of pe_now_us */
    struct pe_buf received; /* owned: bytes that are not read yet */
    bool resumed;           /* the event RESUME has arrived: the VM runs */
};

/* Free what `qmp` owns; the socket stays open. */
void qmp_free(struct qmp *qmp);
#define autoqmp __attribute__((cleanup(qmp_free)))

/* All functions fail with PE_ERR_LOST if QEMU ends, with PE_ERR_TIMEOUT if the deadline passes, and with
 * PE_ERR_MALFORMED if QEMU sends something that is not QMP. */

/* Read the greeting and leave negotiation mode. QEMU's main loop runs once this returns. */
int qmp_begin(struct qmp *qmp, struct pe_error *err) PE_MUST_CHECK;

/* Execute `command`. `arguments` is consumed; NULL means that there was no memory for it, and nothing is
 * sent. `fd` is sent along unless it is -1, and stays the caller's. The return value goes to `*value`, which
 * the caller owns, unless `value` is NULL. Of the events that arrive before it, only RESUME is kept. If QEMU
 * refuses, fails with PE_ERR_INTERNAL and QEMU's own explanation. */
int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, int fd, json_t **value,
                struct pe_error *err) PE_MUST_CHECK;

/* The same with a command that needs no arguments. */
int qmp_execute_plain(struct qmp *qmp, const char *command, json_t **value,
                      struct pe_error *err) PE_MUST_CHECK;

/* Wait until the VM runs. Returns at once if it has resumed during an earlier call. */
int qmp_await_resume(struct qmp *qmp, struct pe_error *err) PE_MUST_CHECK;

#endif
