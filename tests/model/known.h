/* SPDX-License-Identifier: Apache-2.0 */
/* The model of what is known about workers. It follows from what registrations have said and from when
 * they ended; scheduler.h and proto/slot-protocol.md have the rules. */
#ifndef PE_TESTS_MODEL_KNOWN_H
#define PE_TESTS_MODEL_KNOWN_H

#include "tests/model/world.h"

enum { CLAIMS = 8 };

/* What one registration has said about a worker. */
struct claim {
    const void *owner; /* the registration; NULL: it was lost, and is expected back */
    uint64_t serial;
    struct offer offer;
};

/* A worker. Without claims it is not known. */
struct known {
    struct claim claims[CLAIMS]; /* the oldest one first */
    unsigned count;
    uint64_t away_until_us;
    bool is_drained; /* an operator asked for it */
};

extern struct known known[NAMES];

/* Begin with no workers. */
void known_reset(void);

/* What a registration says. */
void known_hello(const void *owner, unsigned name, const struct offer *offer);

/* A registration has ended; `is_lost`: without a goodbye. */
void known_ended(const void *owner, bool is_lost);

/* Forget workers that were away for too long, when the balancer has. */
void known_sync(void);

/* The claim that counts for a worker; NULL: it is not known. */
const struct claim *known_claim(unsigned name);

/* Whether a worker is away. */
bool known_is_away(unsigned name);

/* How many workers are known. */
unsigned known_count(void);

/* The variant of an image on a worker whose isolation the demand accepts; 0: none. */
unsigned known_variant(unsigned name, unsigned image, struct pe_isolation_set demand);

/* The variants of an image on all workers whose isolation the demand accepts, as bits. */
unsigned known_variants(unsigned image, struct pe_isolation_set demand);

/* Whether a worker runs interactive jobs, and has the image and an isolation that the demand accepts. */
bool known_has_live(unsigned image, struct pe_isolation_set demand);

/* Whether a worker may be given jobs. */
bool known_takes_jobs(unsigned name);

/* Whether the claim with this serial number counts, and its registration is open. */
bool known_lives(uint64_t serial);

#endif
