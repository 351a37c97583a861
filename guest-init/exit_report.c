/* The outcome as flat text (proto/guest-contract.md, Output). */
#include "guest-init/exit_report.h"

#include "codec/flat.h"

#include <stdio.h>

static const char *const status_names[] = {
    [OUTCOME_EXITED] = "exited", [OUTCOME_SIGNALED] = "signaled",         [OUTCOME_TIMEOUT] = "timeout",
    [OUTCOME_OOM] = "oom",       [OUTCOME_OUTPUT_LIMIT] = "output_limit", [OUTCOME_VM_ERROR] = "vm_error",
};

void outcome_set_vm_error(struct outcome *outcome, const struct pe_error *err)
{
    outcome->status = OUTCOME_VM_ERROR;
    snprintf(outcome->reason, sizeof outcome->reason, "%.*s", (int)sizeof outcome->reason - 1, err->message);
}

int outcome_encode(const struct outcome *outcome, struct pe_buf *text, struct pe_error *err)
{
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        {"signal", (uint64_t)outcome->signal},
        {"wall_us", outcome->wall_us},
        {"user_us", outcome->user_us},
        {"system_us", outcome->system_us},
        {"max_rss_kib", outcome->max_rss_kib},
        {"stdout_truncated", outcome->stdout_truncated},
        {"stderr_truncated", outcome->stderr_truncated},
        {"outputs_dropped", outcome->outputs_dropped},
        {"exec_us", outcome->exec_us},
        {"program_us", outcome->wall_us},
    };
    if (pe_flat_append(text, "status", status_names[outcome->status], err) < 0)
        return -1;
    if (outcome->exit_code >= 0 &&
        pe_flat_append_u64(text, "exit_code", (uint64_t)outcome->exit_code, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (pe_flat_append_u64(text, numbers[i].key, numbers[i].value, err) < 0)
            return -1;
    if (outcome->reason[0] && pe_flat_append(text, "reason", outcome->reason, err) < 0)
        return -1;
    return pe_buf_printf(text, err, "output_us=%0*u\n", (int)OUTCOME_OUTPUT_US_DIGITS, 0u);
}

void outcome_free(struct outcome *outcome)
{
    pe_buf_free(&outcome->out);
    pe_buf_free(&outcome->err);
}
