/* SPDX-License-Identifier: Apache-2.0 */
/* The report as flat text (proto/guest-contract.md, Output). */
#include "guest-init/exit_report.h"

#include "codec/flat.h"

#include <stdio.h>

static const char *const status_names[] = {
    [EXIT_REPORT_EXITED] = "exited",
    [EXIT_REPORT_SIGNALED] = "signaled",
    [EXIT_REPORT_TIMEOUT] = "timeout",
    [EXIT_REPORT_OOM] = "oom",
    [EXIT_REPORT_OUTPUT_LIMIT] = "output_limit",
    [EXIT_REPORT_STREAM_LIMIT] = "stream_limit",
    [EXIT_REPORT_VM_ERROR] = "vm_error",
};

void exit_report_set_vm_error(struct exit_report *report, const struct pe_error *err)
{
    report->status = EXIT_REPORT_VM_ERROR;
    snprintf(report->reason, sizeof report->reason, "%.*s", (int)sizeof report->reason - 1, err->message);
}

int exit_report_encode(const struct exit_report *report, struct pe_buf *text, struct pe_error *err)
{
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        {"signal", (uint64_t)report->signal},
        {"wall_us", report->wall_us},
        {"user_us", report->user_us},
        {"system_us", report->system_us},
        {"max_rss_kib", report->max_rss_kib},
        {"stdout_truncated", report->stdout_truncated},
        {"stderr_truncated", report->stderr_truncated},
        {"outputs_dropped", report->outputs_dropped},
        {"init_us", report->init_us},
        {"ready_us", report->ready_us},
        {"exec_us", report->exec_us},
        {"program_us", report->wall_us},
    };
    if (pe_flat_append(text, "status", status_names[report->status], err) < 0)
        return -1;
    if (report->exit_code >= 0 && pe_flat_append_u64(text, "exit_code", (uint64_t)report->exit_code, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (pe_flat_append_u64(text, numbers[i].key, numbers[i].value, err) < 0)
            return -1;
    if (report->reason[0] && pe_flat_append(text, "reason", report->reason, err) < 0)
        return -1;
    return pe_buf_printf(text, err, "output_us=%0*u\n", (int)EXIT_REPORT_OUTPUT_US_DIGITS, 0u);
}

void exit_report_free(struct exit_report *report)
{
    pe_buf_free(&report->out);
    pe_buf_free(&report->err);
    pe_buf_free(&report->combined);
}
