/* SPDX-License-Identifier: Apache-2.0 */
/* Checking and repeating what the owner has said. worker/owner_limits.c and worker/pause.c obey it. */
#include "worker/owner_options.h"

#include "worker/owner_limits.h"

static int check_cores(const char *cores, struct pe_error *err)
{
    cpu_set_t allowed, chosen;
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        return pe_fail_errno(err, "cannot find out which CPUs may be used");
    return owner_cores_parse(cores, &allowed, &chosen, err);
}

int owner_options_check(const struct owner_options *owner, struct owner_hours *hours, struct pe_error *err)
{
    *hours = (struct owner_hours){.count = 0};
    for (size_t i = 0; i < owner->hours.count; i++)
        if (owner_hours_add(hours, owner->hours.items[i], err) < 0)
            return -1;
    if (owner->pause_grace_s > OWNER_PAUSE_GRACE_S_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--pause-grace must be at most %u s", OWNER_PAUSE_GRACE_S_MAX);
    if (owner->idle_after_s < 1 || owner->idle_after_s > OWNER_IDLE_AFTER_S_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--idle-after must be between 1 and %u s",
                       OWNER_IDLE_AFTER_S_MAX);
    if (owner->idle_cpu_percent < 1 || owner->idle_cpu_percent > 100)
        return pe_fail(err, PE_ERR_INVALID, "--idle-cpu must be between 1 and 100 percent");
    return owner->cores ? check_cores(owner->cores, err) : 0;
}

/* Append a number, unless it is the default. */
static int append_number(const char *name, uint64_t value, uint64_t usual, struct pe_buf *text,
                         struct pe_error *err)
{
    if (value == usual)
        return 0;
    return pe_buf_printf(text, err, " --%s %llu", name, (unsigned long long)value);
}

int owner_options_append(const struct owner_options *owner, struct pe_buf *text, struct pe_error *err)
{
    int failed = 0;
    for (size_t i = 0; !failed && i < owner->hours.count; i++)
        failed = pe_buf_printf(text, err, " --hours %s", owner->hours.items[i]);
    if (!failed && owner->cores)
        failed = pe_buf_printf(text, err, " --cores %s", owner->cores);
    if (!failed && owner->idle_only)
        failed = pe_buf_append_text(text, " --idle-only", err);
    if (failed)
        return -1;
    return append_number("memory-total", owner->memory_total, 0, text, err) < 0 ||
                   append_number("pause-grace", owner->pause_grace_s, OWNER_PAUSE_GRACE_S, text, err) < 0 ||
                   append_number("idle-after", owner->idle_after_s, OWNER_IDLE_AFTER_S, text, err) < 0 ||
                   append_number("idle-cpu", owner->idle_cpu_percent, OWNER_IDLE_CPU_PERCENT, text, err) < 0
               ? -1
               : 0;
}

void owner_options_free(struct owner_options *owner)
{
    pe_option_list_free(&owner->hours);
}
