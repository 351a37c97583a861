/* SPDX-License-Identifier: Apache-2.0 */
/* The names of outputs that are not sent: the first of them in byte order. */
#ifndef PE_GUEST_INIT_DROPPED_H
#define PE_GUEST_INIT_DROPPED_H

#include "base/buffer.h"
#include "base/error.h"
#include "proto/limits.h"

#include <stddef.h>
#include <stdint.h>

struct dropped_name {
    char *path;    /* owned */
    uint32_t mode; /* what it is: the type bits of stat(2) */
};

struct dropped_names {
    struct dropped_name items[PE_DROPPED_NAMES_MAX]; /* in byte order of their paths */
    size_t count;
};

/* Remember an output. If the list is full, the last one in byte order is forgotten. Without memory, the
 * list is shorter. */
void dropped_names_add(struct dropped_names *names, const char *path, uint32_t mode);

/* Append lines of the entry `result` (proto/guest-contract.md), as many as fit into DROPPED_TEXT_MAX
 * bytes. PE_ERR_INTERNAL without memory. */
int dropped_names_encode(const struct dropped_names *names, struct pe_buf *text,
                         struct pe_error *err) PE_MUST_CHECK;
#define DROPPED_TEXT_MAX 2048u

/* Free the paths and empty the list. */
void dropped_names_free(struct dropped_names *names);

#endif
