/* What became of a job: the guest's flat `result` (worker side), the slot protocol's and the client's JSON.
 */
#ifndef PE_PROTO_RESULT_H
#define PE_PROTO_RESULT_H

#include "base/buffer.h"
#include "base/error.h"
#include "codec/json_reader.h"
#include "codec/json_writer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pe_status {
    PE_STATUS_EXITED,   /* ended by itself; exit_code says how */
    PE_STATUS_SIGNALED, /* ended by a signal; signal says which */
    PE_STATUS_TIMEOUT,  /* outlived timeout_ms and was killed with everything it started */
    PE_STATUS_OOM,      /* the kernel killed it, or a part of it that it could not do without, for memory */
    PE_STATUS_OUTPUT_LIMIT, /* ended by itself, but left more in /output than may be sent; what fits is sent
                             */
    PE_STATUS_VM_ERROR,     /* the VM or its init failed; reason says why */
};

/* Phases of a job, microseconds. Names as in timing_ms. */
enum pe_phase { PE_PHASE_QUEUE, PE_PHASE_VM, PE_PHASE_INPUT, PE_PHASE_RUN, PE_PHASE_OUTPUT, PE_PHASES };
extern const char *const pe_phase_names[PE_PHASES];

/* The same in finer steps, as the worker sees them: making the VM (`spawn` its VMM, `restore` a snapshot,
 * until the guest is `ready`; this is done before the job comes), the `input` device, and from `go` to
 * `done`: the guest's `exec` (until the program starts), `program` and `output` (writing it), with what is
 * left for the way there and back in `go`; then `parse`, reading and checking the output. */
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
extern const char *const pe_step_names[PE_STEPS];

struct pe_result {
    enum pe_status status;
    int exit_code; /* -1: it did not exit */
    int signal;    /* 0: none */
    uint64_t wall_us, user_us, system_us;
    uint64_t max_rss_kib;
    bool stdout_truncated, stderr_truncated;
    uint64_t outputs_dropped; /* files in /output that did not fit */
    char reason[256];         /* of vm_error, else empty */
    uint64_t phase_us[PE_PHASES];
    uint64_t step_us[PE_STEPS];
    /* Filled in by the worker, not by the guest. */
    char image[256];
    char image_digest[80]; /* "sha256:<64 hex>" */
    bool cached;           /* filled in by the balancer */
};

const char *pe_status_name(enum pe_status status);

/* Decode the guest's flat text. Unknown keys are ignored (an older worker, a newer guest); values out of
 * range are PE_ERR_MALFORMED. Keys: status, exit_code, signal, wall_us, user_us, system_us, max_rss_kib,
 * stdout_truncated, stderr_truncated, outputs_dropped, reason, exec_us, program_us, output_us. */
int pe_result_from_flat(const void *text, size_t size, struct pe_result *result,
                        struct pe_error *err) PE_MUST_CHECK;

/* Append the client's `result` object (docs/api.md), or with the writer only its members, so that a caller
 * may add others. */
int pe_result_append_json(const struct pe_result *result, struct pe_buf *out,
                          struct pe_error *err) PE_MUST_CHECK;
void pe_result_append_members(const struct pe_result *result, struct pe_json_writer *writer);

/* Take that object: a worker's word to the balancer, or the balancer's to a client. Members that are not
 * known are left out; a value that is not as it should be is the reader's fault. */
void pe_result_parse_json(struct pe_json_reader *reader, struct pe_result *result);

/* How to dump an object that a result is part of: doubles hold microseconds as milliseconds, and ten digits
 * show them without noise. */
#define PE_RESULT_JSON_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(10))

/* The same for callers with a JSON library at hand. */
json_t *pe_result_to_json(const struct pe_result *result); /* NULL without memory; a new reference */
int pe_result_from_json(const json_t *json, struct pe_result *result, struct pe_error *err) PE_MUST_CHECK;

#endif
