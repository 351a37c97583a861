/* SPDX-License-Identifier: Apache-2.0 */
/* Bearer tokens (RFC 6750). There are two kinds. The tokens of --token-file admit operators, and workers of
 * any name. A host's token (host_tokens.h) admits only a worker with the name of that host. */
#ifndef PE_LB_EDGE_TOKENS_H
#define PE_LB_EDGE_TOKENS_H

#include "base/error.h"
#include "lb/edge/h2o.h"
#include "lb/edge/host_tokens.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum { TOKENS_MAX = 64 };

/* Only digests of the tokens are kept. Comparing digests takes the same time for guesses of
 * every length. */
struct tokens {
    uint8_t digests[TOKENS_MAX][32]; /* of the tokens of --token-file */
    size_t count;
    bool required;            /* false: no token is needed */
    const char *folder;       /* the store of host tokens; NULL: there is none */
    struct host_tokens hosts; /* what was read from it */
    struct stat read_from;    /* the file at that time */
    uint64_t serial;          /* changes whenever `hosts` may have changed */
};

/* Who has sent a request, by its token. */
struct token_identity {
    char host[HOST_NAME_SIZE];     /* whose token it is; "": a token of --token-file, or none is required */
    char hash[PE_SHA256_HEX_SIZE]; /* of a host's token */
    char owner[17];                /* the first digits of the hash of any token; "": it had none */
};

/* Read a file with one token per line; empty lines are ignored. PE_ERR_INVALID for a file without a token, or
 * with more than TOKENS_MAX; otherwise fails as pe_private_file_read() does. On failure `tokens` stays as it
 * was. */
int tokens_read(struct tokens *tokens, const char *file, struct pe_error *err) PE_MUST_CHECK;

/* Use the host tokens of a store, too, whose path must outlive `tokens`: from now on a token is needed. Fails
 * as host_tokens_read() does. */
int tokens_use_hosts(struct tokens *tokens, const char *folder, struct pe_error *err) PE_MUST_CHECK;

/* Read the store again if its file has changed. If it cannot be read, the log says so, and the tokens that
 * are known stay valid. */
void tokens_refresh(struct tokens *tokens);

/* Whether a request carries a token of --token-file in its Authorization header. Otherwise the request
 * has been answered with the problem "unauthorized". */
bool tokens_authorize(const struct tokens *tokens, h2o_req_t *req);

/* The same for a worker, whose token can be that of a host. Fills in `identity`. */
bool tokens_admit(struct tokens *tokens, h2o_req_t *req, struct token_identity *identity);

/* Whether a worker that was admitted as `identity` may have this name: a host only its own one, and others no
 * name of a host that has joined. PE_ERR_INVALID otherwise. */
int tokens_check_name(const struct tokens *tokens, const struct token_identity *identity, const char *name,
                      struct pe_error *err) PE_MUST_CHECK;

/* Whether the token with which `identity` was admitted is still valid. Those of --token-file always are. */
bool tokens_are_valid_for(const struct tokens *tokens, const struct token_identity *identity);

#endif
