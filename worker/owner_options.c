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
    return owner->cores ? check_cores(owner->cores, err) : 0;
}

int owner_options_append(const struct owner_options *owner, struct pe_buf *text, struct pe_error *err)
{
    for (size_t i = 0; i < owner->hours.count; i++)
        if (pe_buf_printf(text, err, " --hours %s", owner->hours.items[i]) < 0)
            return -1;
    if (owner->cores && pe_buf_printf(text, err, " --cores %s", owner->cores) < 0)
        return -1;
    if (owner->memory_total &&
        pe_buf_printf(text, err, " --memory-total %llu", (unsigned long long)owner->memory_total) < 0)
        return -1;
    if (owner->pause_grace_s != OWNER_PAUSE_GRACE_S &&
        pe_buf_printf(text, err, " --pause-grace %llu", (unsigned long long)owner->pause_grace_s) < 0)
        return -1;
    return 0;
}

void owner_options_free(struct owner_options *owner)
{
    pe_option_list_free(&owner->hours);
}
