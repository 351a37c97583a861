/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of clients: what `pe-lb key` writes to a file, and what the balancer checks. A key is
 *
 *   pek_<id, 16 hex digits>_<secret, 64 hex digits>
 *
 * The id is no secret: it finds the entry, whose SHA-256 of the whole key is then compared in constant
 * time. A secret of 256 random bits cannot be guessed, so its hash needs neither a salt nor many rounds.
 * The file is JSON:
 *
 *   {"keys": [{"name": "alice", "id": "…", "sha256": "…", "created": 1764230400,
 *              "jobs_per_minute": 60, "cpu_seconds_per_day": 3600, "concurrent_jobs": 4}]}
 *
 * A quota that is missing is no limit. Without memory, the functions fail with PE_ERR_INTERNAL. */
#ifndef PE_LB_CORE_API_KEYS_H
#define PE_LB_CORE_API_KEYS_H

#include "base/error.h"
#include "lb/core/client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    API_KEYS_MAX = 4096,
    API_KEY_SIZE = 4 + 16 + 1 + 64 + 1, /* of its text, with the NUL */
};

struct api_key {
    char id[CLIENT_KEY_ID_SIZE];
    char name[CLIENT_KEY_NAME_SIZE]; /* letters, digits and ".-_@" */
    uint8_t digest[32];
    int64_t created; /* seconds since the epoch */
    struct client_limits limits;
};

struct api_keys {
    struct api_key *items; /* owned; sorted by id */
    size_t count;
};

/* Read a file. An empty file has no keys. PE_ERR_INVALID for an entry that is wrong, which is named, or
 * given twice, and PE_ERR_TOO_LARGE for more than API_KEYS_MAX; otherwise fails as pe_private_file_read does.
 * On failure `keys` stays as it was. */
int api_keys_read(struct api_keys *keys, const char *file, struct pe_error *err) PE_MUST_CHECK;

/* Write them to a file, in one step. Fails as pe_private_file_replace does. */
int api_keys_write(const struct api_keys *keys, const char *file, struct pe_error *err) PE_MUST_CHECK;

/* Make a new key of this name and add it. `text` is the only copy of the key. PE_ERR_INVALID if the name is
 * not allowed or taken, PE_ERR_TOO_LARGE if there are API_KEYS_MAX. */
int api_keys_add(struct api_keys *keys, const char *name, const struct client_limits *limits,
                 char text[API_KEY_SIZE], struct pe_error *err) PE_MUST_CHECK;

/* Remove the key of this name or id. PE_ERR_NOT_FOUND if there is none. */
int api_keys_remove(struct api_keys *keys, const char *name, struct pe_error *err) PE_MUST_CHECK;

/* The entry of a key that somebody presents, or NULL. It is valid until `keys` changes. */
const struct api_key *api_keys_find(const struct api_keys *keys, const char *text, size_t size);

/* Free the entries. */
void api_keys_free(struct api_keys *keys);

#endif
