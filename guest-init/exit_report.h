/* What became of the job: filled in by run.c, written as the archive's `result` entry. */
#ifndef PE_GUEST_INIT_EXIT_REPORT_H
#define PE_GUEST_INIT_EXIT_REPORT_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum outcome_status {
    OUTCOME_EXITED,
    OUTCOME_SIGNALED,
    OUTCOME_TIMEOUT,
    OUTCOME_OOM,
    OUTCOME_OUTPUT_LIMIT,
    OUTCOME_VM_ERROR,
};

struct outcome {
    enum outcome_status status;
    int exit_code;               /* -1: it did not exit */
    int signal;                  /* 0: none */
    uint64_t exec_us;            /* from `go` to the program's start */
    uint64_t wall_us;            /* from there to its end */
    uint64_t user_us, system_us; /* CPU time */
    uint64_t max_rss_kib;
    bool stdout_truncated, stderr_truncated;
    uint64_t outputs_dropped;
    char reason[256];       /* of OUTCOME_VM_ERROR, else empty */
    struct pe_buf out, err; /* stdout and stderr, owned */
};

/* The VM or its init failed: status and reason, with everything else left as it is. */
void outcome_set_vm_error(struct outcome *outcome, const struct pe_error *err);

/* Append the flat text of `result`. The last line is `output_us=` and OUTCOME_OUTPUT_US_DIGITS digits, so
 * that the time can be put in when it is known. */
int outcome_encode(const struct outcome *outcome, struct pe_buf *text, struct pe_error *err) PE_MUST_CHECK;
#define OUTCOME_OUTPUT_US_DIGITS 10u

void outcome_free(struct outcome *outcome);

#endif
