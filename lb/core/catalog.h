/* SPDX-License-Identifier: Apache-2.0 */
/* The images of one worker, from its `hello`, and which of them an image reference means. */
#ifndef PE_LB_CORE_CATALOG_H
#define PE_LB_CORE_CATALOG_H

#include "base/error.h"
#include "proto/image_reference.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct catalog_entry {
    const char *name;   /* "gcc:14"; owned by the JSON of the catalog, like the next two */
    const char *digest; /* "sha256:…" */
    const json_t *json; /* the complete entry */
    char identity[65];  /* SHA-256 of the entry, hex: two images may share a root file system and differ in
                           user,  root directory or command */
};

struct catalog {
    struct catalog_entry *entries;          /* owned, sorted by name, then by digest */
    const struct catalog_entry **by_digest; /* owned: the same, sorted by digest, then by name */
    size_t count;
    json_t *json; /* the array of entries; a reference */
    size_t bytes; /* of memory that it needs, roughly */
};

/* Make a catalog from the array of a `hello`, whose elements pe_image_from_json() has accepted.
 * Takes a reference to `images`. PE_ERR_INTERNAL without memory; `catalog` is empty then. */
int catalog_load(struct catalog *catalog, json_t *images, struct pe_error *err) PE_MUST_CHECK;
void catalog_free(struct catalog *catalog);

/* The entry that a reference means (proto/image_reference.h), or NULL. */
const struct catalog_entry *catalog_find(const struct catalog *catalog, const char *reference);

/* The first entry behind the entry with this name and digest, which need not exist; NULL if there is
 * none. Empty texts are before all entries. */
const struct catalog_entry *catalog_next(const struct catalog *catalog, const char *name, const char *digest);

/* Consider the names of this catalog as suggestions, until pe_image_suggestions_are_done. They belong to the
 * catalog. */
void catalog_suggest(const struct catalog *catalog, struct pe_image_suggestions *suggestions);

#endif
