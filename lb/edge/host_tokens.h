/* SPDX-License-Identifier: Apache-2.0 */
/* The store of host tokens: a folder with the file tokens.json, which says for each host how it may join and
 * what its token is. Only hashes are stored. Several processes use the same store: those of pe-lb, and `pe-lb
 * token`. All changes are made while the store is locked, and the file appears by rename(2), so a reader
 * never needs the lock. */
#ifndef PE_LB_EDGE_HOST_TOKENS_H
#define PE_LB_EDGE_HOST_TOKENS_H

#include "base/error.h"
#include "codec/sha256.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_TOKENS_FOLDER "/var/lib/pe-lb/tokens" /* where `pe-lb token` looks by default */
#define HOST_NAME_SIZE 128u                        /* with the NUL */

enum { HOST_TOKENS_MAX = 4096 };

/* One host. Times are seconds since 1970 on the clock of the balancer's machine; 0: never. */
struct host_token {
    char host[HOST_NAME_SIZE];
    char code[PE_SHA256_HEX_SIZE];  /* hash of the join code */
    char token[PE_SHA256_HEX_SIZE]; /* hash of the host's token; "" until it has joined */
    int64_t created, expires;       /* of the join code */
    int64_t joined, seen;           /* when the host joined; when it was connected last, to some minutes */
    int64_t left;                   /* when it gave its token back last */
};

struct host_tokens {
    struct host_token *items; /* owned; sorted by host */
    size_t count;
};

/* Read the store. A store that has no file yet is empty. PE_ERR_MALFORMED names the file if it is damaged,
 * PE_ERR_TOO_LARGE or PE_ERR_INTERNAL if it cannot be read. The caller frees `tokens`, which are empty after
 * a failure. */
int host_tokens_read(const char *folder, struct host_tokens *tokens, struct pe_error *err) PE_MUST_CHECK;

/* Free the list. It is empty then. */
void host_tokens_free(struct host_tokens *tokens);
#define host_autotokens __attribute__((cleanup(host_tokens_free)))

/* Lock the store for a change, and create its folder if there is none. Returns a descriptor; closing it
 * unlocks. With `wait` false PE_ERR_BUSY if somebody else has the lock; PE_ERR_INTERNAL if the folder or the
 * lock cannot be made. What root creates belongs to the owner of the folder that it is in, who runs the
 * balancer. */
int host_tokens_lock(const char *folder, bool wait, struct pe_error *err) PE_MUST_CHECK;

/* Replace the file, also on the disk. Only while the store is locked. PE_ERR_INTERNAL if that fails: the old
 * file stays, and no other one, unless only its folder could not be synced. */
int host_tokens_write(const char *folder, const struct host_tokens *tokens,
                      struct pe_error *err) PE_MUST_CHECK;

/* The entry of a host, or that with the hash of a join code or a token; NULL if there is none. It is valid
 * until an entry is added or removed. */
struct host_token *host_tokens_find(const struct host_tokens *tokens, const char *host);
struct host_token *host_tokens_find_code(const struct host_tokens *tokens, const char *hash);
struct host_token *host_tokens_find_token(const struct host_tokens *tokens, const char *hash);

/* Add an entry; its host has none. PE_ERR_TOO_LARGE beyond HOST_TOKENS_MAX, PE_ERR_INTERNAL without
 * memory. */
int host_tokens_add(struct host_tokens *tokens, const struct host_token *token,
                    struct pe_error *err) PE_MUST_CHECK;

/* Remove an entry of `tokens`. */
void host_tokens_remove(struct host_tokens *tokens, struct host_token *token);

/* Whether a text can be the name of a host: letters, digits, '.', '-' and '_', and a letter or digit first.
 * PE_ERR_INVALID otherwise. */
int host_name_check(const char *name, struct pe_error *err) PE_MUST_CHECK;

/* A word for the state at a time: "joined", "waiting" for its host, or "expired". */
const char *host_token_state(const struct host_token *token, int64_t now);

#endif
