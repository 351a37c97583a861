/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the kinds of isolation, and sets of them. */
#include "proto/isolation.h"

#include <stdio.h>
#include <string.h>

static const char *const names[PE_ISOLATIONS] = {"unknown", "hardware", "kernel", "emulation"};

const char *pe_isolation_name(enum pe_isolation isolation)
{
    return names[isolation];
}

/* The name has `size` bytes and no NUL after them. */
static int find(const char *name, size_t size, enum pe_isolation *isolation, struct pe_error *err)
{
    for (int i = PE_ISOLATION_HARDWARE; i < PE_ISOLATIONS; i++)
        if (strlen(names[i]) == size && !memcmp(names[i], name, size)) {
            *isolation = (enum pe_isolation)i;
            return 0;
        }
    return pe_fail(err, PE_ERR_INVALID, "an isolation is 'hardware', 'kernel' or 'emulation', not '%.*s'",
                   size < 32 ? (int)size : 32, name);
}

int pe_isolation_parse(const char *name, enum pe_isolation *isolation, struct pe_error *err)
{
    return find(name, strlen(name), isolation, err);
}

static int add(struct pe_isolation_set *set, const char *name, size_t size, struct pe_error *err)
{
    enum pe_isolation isolation = PE_ISOLATION_UNKNOWN;
    if (find(name, size, &isolation, err) < 0)
        return -1;
    if (pe_isolation_set_has(*set, isolation))
        return pe_fail(err, PE_ERR_INVALID, "the isolation '%s' is named twice", names[isolation]);
    set->bits |= pe_isolation_set_of(isolation).bits;
    return 0;
}

int pe_isolation_set_add(struct pe_isolation_set *set, const char *name, struct pe_error *err)
{
    return add(set, name, strlen(name), err);
}

int pe_isolation_set_parse(const char *list, struct pe_isolation_set *set, struct pe_error *err)
{
    *set = (struct pe_isolation_set){0};
    for (;;) {
        size_t size = strcspn(list, ",");
        if (add(set, list, size, err) < 0)
            return -1;
        if (!list[size])
            return 0;
        list += size + 1;
    }
}

struct pe_isolation_set pe_isolation_set_of(enum pe_isolation isolation)
{
    return (struct pe_isolation_set){.bits = isolation == PE_ISOLATION_UNKNOWN ? 0 : 1u << isolation};
}

bool pe_isolation_set_has(struct pe_isolation_set set, enum pe_isolation isolation)
{
    return set.bits & 1u << isolation;
}

bool pe_isolation_accepted(struct pe_isolation_set demand, enum pe_isolation isolation)
{
    return demand.bits == 0 || pe_isolation_set_has(demand, isolation);
}

bool pe_demand_accepts(struct pe_isolation_set demand, enum pe_isolation isolation, bool trusted_host)
{
    return pe_isolation_accepted(demand, isolation) && (trusted_host || !demand.trusted_host);
}

const char *pe_isolation_set_print(struct pe_isolation_set set, const char *separator,
                                   char text[PE_ISOLATION_TEXT_MAX])
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = PE_ISOLATION_HARDWARE; i < PE_ISOLATIONS && used < PE_ISOLATION_TEXT_MAX; i++)
        if (pe_isolation_set_has(set, (enum pe_isolation)i))
            used += (size_t)snprintf(text + used, PE_ISOLATION_TEXT_MAX - used, "%s%s", used ? separator : "",
                                     names[i]);
    return text;
}
