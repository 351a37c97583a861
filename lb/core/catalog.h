/* The images one worker host has, as its `hello` listed them, and which of them a job's reference means. */
#ifndef PE_LB_CORE_CATALOG_H
#define PE_LB_CORE_CATALOG_H

#include "base/error.h"
#include "proto/image_reference.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct catalog_entry {
    const char *name;   /* "gcc:14"; belongs to the catalog's JSON */
    const char *digest; /* "sha256:…", likewise */
    const json_t *json; /* the whole entry, likewise */
    char identity[65];  /* SHA-256 of the entry, hex: images may share a rootfs and differ in user, root or
                           command */
};

struct catalog {
    struct catalog_entry *entries; /* owned, sorted by name */
    size_t count;
    json_t *json; /* the array the entries live in; a reference */
};

/* Make a catalog from a `hello`'s array, every element of which pe_image_from_json accepted. */
int catalog_load(struct catalog *catalog, json_t *images, struct pe_error *err) PE_MUST_CHECK;
void catalog_free(struct catalog *catalog);

/* The entry a reference means: by name for "name:tag", by repository and digest for "name@sha256:…". NULL
 * when there is none. */
const struct catalog_entry *catalog_find(const struct catalog *catalog, const char *reference);

/* Consider all names of this catalog as suggestions. They belong to the catalog. */
void catalog_suggest(const struct catalog *catalog, struct pe_image_suggestions *suggestions);

#endif
