/* Jobs that killed slots, held back for a while. */
#ifndef PE_LB_CORE_POISON_H
#define PE_LB_CORE_POISON_H

#include "lb/core/job_key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { POISON_MAX = 256 }; /* jobs remembered; the oldest goes first */

struct poison {
    struct {
        struct job_key key;
        uint64_t until_us; /* on pe_now_us()'s clock */
    } jobs[POISON_MAX];
    size_t count; /* ever remembered; jobs[count % POISON_MAX] is the next place */
};

void poison_remember(struct poison *poison, const struct job_key *key, uint64_t until_us);
bool poison_holds(const struct poison *poison, const struct job_key *key, uint64_t now_us);

#endif
