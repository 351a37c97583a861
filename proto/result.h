/* SPDX-License-Identifier: Apache-2.0 */
/* The result of a job: decoded from the guest's flat text by the worker, and sent as JSON in the
 * slot protocol and to the client. */
#ifndef PE_PROTO_RESULT_H
#define PE_PROTO_RESULT_H

#include "base/error.h"
#include "codec/json_reader.h"
#include "codec/json_writer.h"
#include "proto/dropped.h"
#include "proto/isolation.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pe_status {
    PE_STATUS_EXITED,       /* the program exited; exit_code is set */
    PE_STATUS_SIGNALED,     /* a signal ended it; signal is set */
    PE_STATUS_TIMEOUT,      /* it exceeded timeout_ms and was killed with all its processes */
    PE_STATUS_OOM,          /* a process of it was killed at its memory limit, and it did not exit with 0 */
    PE_STATUS_OUTPUT_LIMIT, /* it exited, but /output has more than may be sent */
    PE_STATUS_STREAM_LIMIT, /* stdout or stderr exceeded its limit, and the job demanded to be ended then */
    PE_STATUS_VM_ERROR,     /* the VM or pe-init failed; reason is set */
};

/* The phases of a job, in microseconds. Their names are those of timing_ms in JSON. */
enum pe_phase { PE_PHASE_QUEUE, PE_PHASE_VM, PE_PHASE_INPUT, PE_PHASE_RUN, PE_PHASE_OUTPUT, PE_PHASES };
/* The names of the phases in JSON. */
extern const char *const pe_phase_names[PE_PHASES];

/* The steps of a job as the worker measures them. Before the job arrives, the VM is made: `spawn`
 * starts the VMM, `restore` loads a snapshot, and `ready` is the time until the guest is ready.
 * `input` writes the input device. Between `go` and `done` the guest reports `exec`, until the
 * program starts, `program`, and `output`, writing the output device; `go` is the rest of that
 * time. `parse` reads and checks the output. */
enum pe_step {
    PE_STEP_SPAWN,
    PE_STEP_RESTORE,
    PE_STEP_READY,
    PE_STEP_INPUT,
    PE_STEP_GO,
    PE_STEP_EXEC,
    PE_STEP_PROGRAM,
    PE_STEP_OUTPUT,
    PE_STEP_PARSE,
    PE_STEPS
};
/* The names of the steps in JSON. */
extern const char *const pe_step_names[PE_STEPS];

struct pe_result {
    enum pe_status status;
    int exit_code; /* -1: the program did not exit */
    int signal;    /* 0: none */
    uint64_t wall_us, user_us, system_us;
    uint64_t max_rss_kib;
    uint64_t init_us, ready_us; /* since the boot of the guest: when pe-init began, when it was ready first.
                                   Not in JSON */
    bool stdout_truncated, stderr_truncated;
    uint64_t outputs_dropped;  /* entries of /output that are not files, or did not fit */
    struct pe_dropped dropped; /* the names of the first of them */
    char reason[256];          /* of vm_error, else empty */
    uint64_t phase_us[PE_PHASES];
    uint64_t step_us[PE_STEPS];
    /* Set by the worker, not by the guest. */
    char image[256];
    char image_digest[80];       /* "sha256:<64 hex>" */
    enum pe_isolation isolation; /* null in JSON if it is not known */
    bool trusted_host;           /* set by the balancer: the operator trusts the host that made it */
    bool cached;                 /* set by the balancer */
};

/* The name of a status in JSON and flat text. */
const char *pe_status_name(enum pe_status status);

/* Decode the guest's flat text, whose keys are in proto/guest-contract.md. Unknown keys are
 * ignored, since the guest may be newer than the worker. PE_ERR_MALFORMED if it is no flat text, a value
 * is out of range, or there is no status. */
int pe_result_from_flat(const void *text, size_t size, struct pe_result *result,
                        struct pe_error *err) PE_MUST_CHECK;

/* Append the members of the result to the JSON object that is open (docs/api.md). The writer keeps its
 * failure. */
void pe_result_append_members(const struct pe_result *result, struct pe_json_writer *writer);

/* Read an object with such members. Unknown ones are ignored. A value of the wrong form is a fault of the
 * reader. */
void pe_result_parse_json(struct pe_json_reader *reader, struct pe_result *result);

/* The flags with which jansson encodes an object that contains a result. Its doubles are
 * milliseconds with three decimals, which ten digits show without rounding noise. */
#define PE_RESULT_JSON_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(10))

/* Decode a JSON object. PE_ERR_MALFORMED if a value has the wrong form, or without memory. */
int pe_result_from_json(const json_t *json, struct pe_result *result, struct pe_error *err) PE_MUST_CHECK;

#endif
