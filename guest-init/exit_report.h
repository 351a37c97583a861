/* SPDX-License-Identifier: Apache-2.0 */
/* The report on a program: how it ended and what it used. guest-init/supervise.c fills it in, and
 * it becomes the entry `result` of the output archive. */
#ifndef PE_GUEST_INIT_EXIT_REPORT_H
#define PE_GUEST_INIT_EXIT_REPORT_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum exit_report_status {
    EXIT_REPORT_EXITED,
    EXIT_REPORT_SIGNALED,
    EXIT_REPORT_TIMEOUT,
    EXIT_REPORT_OOM,
    EXIT_REPORT_OUTPUT_LIMIT,
    EXIT_REPORT_STREAM_LIMIT,
    EXIT_REPORT_VM_ERROR,
};

struct exit_report {
    enum exit_report_status status;
    int exit_code;               /* -1: the program did not exit */
    int signal;                  /* 0: none */
    uint64_t init_us;            /* since the boot, when pe-init began */
    uint64_t ready_us;           /* since the boot, when the guest was ready first */
    uint64_t exec_us;            /* from `go` to the start of the program */
    uint64_t wall_us;            /* from its start to its end */
    uint64_t user_us, system_us; /* CPU time */
    uint64_t max_rss_kib;
    bool stdout_truncated, stderr_truncated;
    uint64_t outputs_dropped;
    char reason[256];       /* only of EXIT_REPORT_VM_ERROR */
    struct pe_buf out, err; /* stdout and stderr, owned */
    bool has_combined;
    struct pe_buf combined; /* both in the order of their writes, owned */
};

/* Set status and reason after a failure of pe-init or the VM. The other members stay. */
void exit_report_set_vm_error(struct exit_report *report, const struct pe_error *err);

/* Append the flat text of `result`. The last line is `output_us=` and EXIT_REPORT_OUTPUT_US_DIGITS
 * zeros, which are overwritten when the time is known. PE_ERR_INTERNAL without memory. */
int exit_report_encode(const struct exit_report *report, struct pe_buf *text,
                       struct pe_error *err) PE_MUST_CHECK;
#define EXIT_REPORT_OUTPUT_US_DIGITS 10u

/* Free the buffers of the report. */
void exit_report_free(struct exit_report *report);

#endif
