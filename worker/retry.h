/* SPDX-License-Identifier: Apache-2.0 */
/* When a process of the worker tries a balancer again that it could not use, and what it logs about that.
 *
 * A balancer that is away is tried every second, so that a restart, a machine that slept or another network
 * costs a second. One that refuses the worker, because its token was revoked for example, is tried less and
 * less often, up to RETRY_MS_MAX. */
#ifndef PE_WORKER_RETRY_H
#define PE_WORKER_RETRY_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define RETRY_MS_MAX 300000u

enum retry_cause {
    RETRY_LOST,    /* nobody answers, or the connection has ended */
    RETRY_REFUSED, /* the balancer does not want this worker, or its certificate is not right */
    RETRY_VERSION, /* it does not want this version of the protocol */
};

/* One balancer, as one process knows it. Begins with zeros. */
struct retry {
    unsigned refusals; /* in a row */
    char said[256];    /* what was logged last; "": nothing since the last success */
    uint64_t said_us;
};

/* Why an attempt to connect has failed, as its error says. */
enum retry_cause retry_cause_of(const struct pe_error *fault);

/* Note a failure. Returns the milliseconds after which to try again, which are random by half, so that the
 * workers of a balancer do not all come at the same time. */
unsigned retry_after_ms(struct retry *retry, enum retry_cause cause);

/* Whether to log this message: not if it was the last one, but for numbers in it, less than an hour ago. */
bool retry_says(struct retry *retry, const char *message);

/* Note that there was a connection for `lasted_us`, before its failure is noted. A balancer that closes it
 * soon may do so because it refuses the worker, so only a lasting one ends the row of refusals. */
void retry_lasted(struct retry *retry, uint64_t lasted_us);

#endif
