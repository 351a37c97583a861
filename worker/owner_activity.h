/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the owner of a host works there, as far as Linux tells it. */
#ifndef PE_WORKER_OWNER_ACTIVITY_H
#define PE_WORKER_OWNER_ACTIVITY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What shows it. The first one is that nothing does. */
enum owner_sign {
    OWNER_AWAY,
    OWNER_UNKNOWN,  /* the host was not watched for long enough */
    OWNER_CPU,      /* programs that are not of the worker use the processor */
    OWNER_TERMINAL, /* a program has read what somebody typed at a terminal */
    OWNER_SESSION,  /* logind has a session that is not idle */
    OWNER_SIGNS
};

/* A sign in words for people. */
const char *owner_sign_text(enum owner_sign sign);

struct owner_activity {
    const char *proc, *dev;    /* "/proc" and "/dev" */
    pid_t worker;              /* the process whose descendants do not count, and itself */
    uint32_t cpu_percent_most; /* what other programs may use, of all CPUs together */
    uint32_t recent_s;         /* how long ago somebody may have typed to count as working */

    uint64_t busy, own; /* CPU time at the last look, in clock ticks: of all programs, of the worker */
    uint64_t looked_us; /* 0: there was no look */
};

/* Look once. CPU time is compared with that of the last look, which should be some seconds ago. Runs
 * loginctl(1) if it is there, for at most 5 s. */
enum owner_sign owner_look(struct owner_activity *activity);

#endif
