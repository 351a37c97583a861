/* The tokens that workers present. */
#ifndef PE_LB_WORKERS_TOKENS_H
#define PE_LB_WORKERS_TOKENS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TOKENS_MAX = 64 };

/* Only their digests are kept: comparing those takes the same time whatever a guess looks like, its length
 * included. */
struct tokens {
    uint8_t digests[TOKENS_MAX][32];
    size_t count;
    bool required; /* false: any worker may join */
};

/* Read a file of one token a line, empty lines aside; a file without any is PE_ERR_INVALID. On failure
 * `tokens` stays as it was. */
int tokens_read(struct tokens *tokens, const char *file, struct pe_error *err) PE_MUST_CHECK;

bool tokens_accept(const struct tokens *tokens, const void *token, size_t size);

#endif
