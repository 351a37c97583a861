/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up images by reference. */
#include "lb/core/catalog.h"

#include "codec/sha256.h"

#include <stdlib.h>
#include <string.h>

static int compare_names(const void *left, const void *right)
{
    const struct catalog_entry *a = left, *b = right;
    return strcmp(a->name, b->name);
}

static int compare_entries(const void *left, const void *right)
{
    const struct catalog_entry *a = left, *b = right;
    int order = compare_names(left, right);
    return order ? order : strcmp(a->digest, b->digest);
}

static int compare_digests(const void *left, const void *right)
{
    const struct catalog_entry *a = *(const struct catalog_entry *const *)left;
    const struct catalog_entry *b = *(const struct catalog_entry *const *)right;
    int order = strcmp(a->digest, b->digest);
    return order ? order : compare_names(a, b);
}

static int identify(struct catalog_entry *entry, struct pe_error *err)
{
    char *text = json_dumps(entry->json, JSON_COMPACT | JSON_SORT_KEYS);
    int failed = !text ? pe_fail(err, PE_ERR_INTERNAL, "out of memory")
                       : pe_sha256_hex(text, strlen(text), entry->identity, err);
    free(text);
    return failed ? pe_fail_context(err, "cannot hash the catalog entry of %s", entry->name) : 0;
}

/* An estimate for a value of jansson on a 64-bit machine, with what the allocator adds. The depth of a
 * catalog is bounded by pe_json_check_bounds(). */
static size_t memory_of(const json_t *json)
{
    enum { VALUE = 64, MEMBER = 80, ELEMENT = 16 };
    size_t bytes = VALUE + (json_is_string(json) ? json_string_length(json) : 0), i = 0;
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)json, key, value)
    {
        bytes += MEMBER + strlen(key) + memory_of(value);
    }
    json_array_foreach(json, i, value)
    {
        bytes += ELEMENT + memory_of(value);
    }
    return bytes;
}

int catalog_load(struct catalog *catalog, json_t *images, struct pe_error *err)
{
    size_t count = json_array_size(images);
    *catalog = (struct catalog){.entries = calloc(count + 1, sizeof *catalog->entries),
                                .by_digest = calloc(count + 1, sizeof *catalog->by_digest)};
    if (!catalog->entries || !catalog->by_digest) {
        pe_fail_errno(err, "a catalog of %zu images", count);
        catalog_free(catalog);
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *image = json_array_get(images, i);
        catalog->entries[i] =
            (struct catalog_entry){.name = json_string_value(json_object_get(image, "name")),
                                   .digest = json_string_value(json_object_get(image, "digest")),
                                   .json = image};
    }
    catalog->count = count;
    catalog->json = json_incref(images);
    catalog->bytes = count * (sizeof *catalog->entries + sizeof *catalog->by_digest) + memory_of(images);
    for (size_t i = 0; i < count; i++)
        if (identify(&catalog->entries[i], err) < 0) {
            catalog_free(catalog);
            return -1;
        }
    qsort(catalog->entries, count, sizeof *catalog->entries, compare_entries);
    for (size_t i = 0; i < count; i++)
        catalog->by_digest[i] = &catalog->entries[i];
    qsort(catalog->by_digest, count, sizeof *catalog->by_digest, compare_digests);
    return 0;
}

void catalog_free(struct catalog *catalog)
{
    free(catalog->entries);
    free(catalog->by_digest);
    json_decref(catalog->json);
    *catalog = (struct catalog){0};
}

/* Whether an entry stands before all that a reference NAME@DIGEST can mean, whose names begin with "NAME:".
 */
static bool is_before(const struct catalog_entry *entry, const char *reference, size_t name_length)
{
    int order = strcmp(entry->digest, reference + name_length + 1);
    order = order ? order : strncmp(entry->name, reference, name_length);
    return order ? order < 0 : entry->name[name_length] < ':';
}

/* Jobs that wait are looked up again and again, in the catalogs of all workers, so this must be quick. */
static const struct catalog_entry *find_digest(const struct catalog *catalog, const char *reference,
                                               size_t name_length)
{
    size_t from = 0, to = catalog->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (is_before(catalog->by_digest[middle], reference, name_length))
            from = middle + 1;
        else
            to = middle;
    }
    const struct catalog_entry *found = from < catalog->count ? catalog->by_digest[from] : NULL;
    return found && pe_image_reference_matches(reference, found->name, found->digest) ? found : NULL;
}

const struct catalog_entry *catalog_find(const struct catalog *catalog, const char *reference)
{
    const char *at = strchr(reference, '@');
    const struct catalog_entry key = {.name = reference};
    return at ? find_digest(catalog, reference, (size_t)(at - reference))
              : bsearch(&key, catalog->entries, catalog->count, sizeof key, compare_names);
}

const struct catalog_entry *catalog_next(const struct catalog *catalog, const char *name, const char *digest)
{
    const struct catalog_entry key = {.name = name, .digest = digest};
    size_t from = 0, to = catalog->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (compare_entries(&catalog->entries[middle], &key) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from < catalog->count ? &catalog->entries[from] : NULL;
}

void catalog_suggest(const struct catalog *catalog, struct pe_image_suggestions *suggestions)
{
    for (size_t i = 0; i < catalog->count && !pe_image_suggestions_are_done(suggestions); i++)
        pe_image_suggestions_add(suggestions, catalog->entries[i].name);
}
