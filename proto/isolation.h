/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between a job and its host, beside the jail around every VMM. A worker says which kind
 * it has, a result says with which kind it was made, and a job can demand some of them. */
#ifndef PE_PROTO_ISOLATION_H
#define PE_PROTO_ISOLATION_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum pe_isolation {
    PE_ISOLATION_UNKNOWN,   /* not known: a result that was stored by an older version */
    PE_ISOLATION_HARDWARE,  /* a VM with hardware virtualization (KVM) */
    PE_ISOLATION_KERNEL,    /* a guest kernel that is an ordinary process of the host (User Mode Linux) */
    PE_ISOLATION_EMULATION, /* a VM whose CPU is emulated by software (QEMU's TCG) */
    PE_ISOLATIONS
};

/* Some kinds of isolation. PE_ISOLATION_UNKNOWN is never among them. The zero value is the empty
 * set; as a demand, it accepts everything. A demand can also be that the host is one that the operator
 * trusts, whatever its isolation: pe_isolation_accepted() does not look at that. */
struct pe_isolation_set {
    unsigned bits;
    bool trusted_host;
};

/* The name in JSON and on the command line: "hardware", "kernel" or "emulation"; "unknown" for
 * PE_ISOLATION_UNKNOWN, which no parser accepts. */
const char *pe_isolation_name(enum pe_isolation isolation);

/* Find the isolation with this name. PE_ERR_INVALID names the value and the names that exist. */
int pe_isolation_parse(const char *name, enum pe_isolation *isolation, struct pe_error *err) PE_MUST_CHECK;

/* Add the isolation with this name to a set. PE_ERR_INVALID if there is no such name, or if it is
 * in the set already. */
int pe_isolation_set_add(struct pe_isolation_set *set, const char *name, struct pe_error *err) PE_MUST_CHECK;

/* Read names that are separated by commas, as "hardware,kernel". PE_ERR_INVALID also if there is
 * none. */
int pe_isolation_set_parse(const char *names, struct pe_isolation_set *set,
                           struct pe_error *err) PE_MUST_CHECK;

/* The set with this isolation only; empty for PE_ISOLATION_UNKNOWN. */
struct pe_isolation_set pe_isolation_set_of(enum pe_isolation isolation);

/* Whether the set has this isolation. */
bool pe_isolation_set_has(struct pe_isolation_set set, enum pe_isolation isolation);

/* Whether a job that demands `demand` may run with this isolation, or get a result that was made
 * with it. */
bool pe_isolation_accepted(struct pe_isolation_set demand, enum pe_isolation isolation);

/* The same for the host as well: `trusted_host` says whether the operator trusts it. */
bool pe_demand_accepts(struct pe_isolation_set demand, enum pe_isolation isolation, bool trusted_host);

/* Write the names, strongest first and separated by `separator`, to `text`, which has
 * PE_ISOLATION_TEXT_MAX bytes. Separators have at most four. Returns `text`. */
#define PE_ISOLATION_TEXT_MAX 48
const char *pe_isolation_set_print(struct pe_isolation_set set, const char *separator,
                                   char text[PE_ISOLATION_TEXT_MAX]);

#endif
