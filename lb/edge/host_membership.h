/* SPDX-License-Identifier: Apache-2.0 */
/* How hosts join a balancer and leave it. All changes are in the store at once, so that every process of the
 * balancer knows of them (host_tokens.h). A change fails with PE_ERR_BUSY if the store is being changed, and
 * otherwise as host_tokens_lock(), host_tokens_read() and host_tokens_write() do. */
#ifndef PE_LB_EDGE_HOST_MEMBERSHIP_H
#define PE_LB_EDGE_HOST_MEMBERSHIP_H

#include "lb/edge/tokens.h"

#include <stdint.h>

/* Look at a join code, which is not stored anywhere, and with `token_hash` give its host the token with that
 * hash: the host makes its token itself, so that an answer that is lost loses nothing. The same code with the
 * same hash succeeds again. `now` is in seconds since 1970. On success `*host` is the entry of the host.
 * PE_ERR_INVALID if the code is unknown, has expired, or was used by another token; PE_ERR_BUSY also in the
 * second in which the host has given its token back. */
int host_join(struct tokens *tokens, const char *code, const char *token_hash, int64_t now,
              struct host_token *host, struct pe_error *err) PE_MUST_CHECK;

/* A host gives its token back. Its join code can be used again until it expires, but not in the same second:
 * each change is written to the disk while all others wait. A token that was revoked meanwhile is no
 * error. */
int host_leave(struct tokens *tokens, const struct token_identity *identity, int64_t now,
               struct pe_error *err) PE_MUST_CHECK;

/* Write when the hosts were connected last, as far as `tokens` knows it. */
int host_write_seen(struct tokens *tokens, struct pe_error *err) PE_MUST_CHECK;

#endif
