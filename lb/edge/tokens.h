/* SPDX-License-Identifier: Apache-2.0 */
/* Bearer tokens (RFC 6750) that workers and operators present. */
#ifndef PE_LB_EDGE_TOKENS_H
#define PE_LB_EDGE_TOKENS_H

#include "base/error.h"
#include "lb/edge/h2o.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TOKENS_MAX = 64 };

/* Only digests of the tokens are kept. Comparing digests takes the same time for guesses of
 * every length. */
struct tokens {
    uint8_t digests[TOKENS_MAX][32];
    size_t count;
    bool required; /* false: no token is needed */
};

/* Read a file with one token per line; empty lines are ignored. PE_ERR_INVALID for a file
 * without a token, or with more than TOKENS_MAX. On failure `tokens` stays as it was. */
int tokens_read(struct tokens *tokens, const char *file, struct pe_error *err) PE_MUST_CHECK;

/* Whether a request carries one of the tokens in its Authorization header. Otherwise the request
 * has been answered with the problem "unauthorized". */
bool tokens_authorize(const struct tokens *tokens, h2o_req_t *req);

#endif
