/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that killed slots. They are held back for a while. */
#ifndef PE_LB_CORE_POISON_H
#define PE_LB_CORE_POISON_H

#include "lb/core/job_key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { POISON_MAX = 256 }; /* jobs that are remembered; the oldest one is overwritten first */

struct poison {
    struct {
        struct job_key key;
        uint64_t until_us; /* on the clock of pe_now_us() */
    } jobs[POISON_MAX];
    size_t count; /* jobs remembered so far; the next one is written to jobs[count % POISON_MAX] */
};

/* Hold a job back until `until_us`. */
void poison_remember(struct poison *poison, const struct job_key *key, uint64_t until_us);
/* Whether a job is held back at `now_us`. */
bool poison_holds(const struct poison *poison, const struct job_key *key, uint64_t now_us);

#endif
