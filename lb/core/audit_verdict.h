/* SPDX-License-Identifier: Apache-2.0 */
/* What the runs of one job on several hosts say about the hosts. Pure functions: which runs there are is
 * decided in audit.c.
 *
 * A host that differs from another one is no evidence yet. The program may do something else each time, so
 * somebody has to answer twice in the same way; and the one who is asked again is the one whose answer is
 * believed. A host that lies would know the job when it comes again, and could behave well. */
#ifndef PE_LB_CORE_AUDIT_VERDICT_H
#define PE_LB_CORE_AUDIT_VERDICT_H

#include "base/error.h"
#include "lb/core/job_result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AUDIT_RUNS_MAX = 6 }; /* of one job, the first one included */

/* SHA-256 of what two results must have in common. Times and usage are not in it, nor the order in which
 * output was written to both streams. */
struct audit_digest {
    uint8_t status[32]; /* status, exit code, signal, what was cut */
    uint8_t out[32], err[32];
    uint8_t files[32]; /* kinds, names, modes and bytes */
};

struct audit_run {
    char host[256];
    char owner[17]; /* of the host (lb/edge/tokens.h); empty: not known */
    bool trusted;   /* the operator trusts the host */
    struct audit_digest digest;
};

enum audit_step {
    AUDIT_ASK_ANOTHER, /* run it on a host that has not run it */
    AUDIT_ASK_AGAIN,   /* run it again on the host of the run `again` */
    AUDIT_SAME,        /* all hosts agree */
    AUDIT_UNSTABLE,    /* the program does something else each time: no evidence */
    AUDIT_SUSPICIOUS,  /* those hosts differ whose runs are in `suspects` */
    AUDIT_UNDECIDED,   /* two hosts differ, each in the same way twice, and there is nobody else to ask */
};

struct audit_verdict {
    enum audit_step step;
    size_t again;
    unsigned suspects; /* bit I: run I */
    size_t reference;  /* with suspects: a run that is believed */
};

/* The digest of a complete result. PE_ERR_INTERNAL if hashing fails. */
int audit_digest_make(const struct job_result *result, struct audit_digest *digest,
                      struct pe_error *err) PE_MUST_CHECK;

/* The first thing that differs: "exit status", "stdout", "stderr" or "output files"; NULL: nothing does. */
const char *audit_difference(const struct audit_digest *one, const struct audit_digest *other);

/* Judge `count` runs, at least one. `has_another` says whether there is a host that could be asked and has
 * not run the job. */
struct audit_verdict audit_judge(const struct audit_run *runs, size_t count, bool has_another);

#endif
