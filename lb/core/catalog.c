/* Looking up images, and guessing which one was meant. */
#include "lb/core/catalog.h"

#include "proto/limits.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_entries(const void *left, const void *right)
{
    const struct catalog_entry *a = left, *b = right;
    return strcmp(a->name, b->name);
}

static int identify(struct catalog_entry *entry, struct pe_error *err)
{
    unsigned char bytes[32];
    char *text = json_dumps(entry->json, JSON_COMPACT | JSON_SORT_KEYS);
    int done = text && EVP_Digest(text, strlen(text), bytes, NULL, EVP_sha256(), NULL);
    free(text);
    if (!done)
        return pe_fail(err, PE_ERR_INTERNAL, "hashing the catalog entry of %s", entry->name);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(entry->identity + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

int catalog_load(struct catalog *catalog, json_t *images, struct pe_error *err)
{
    size_t count = json_array_size(images);
    *catalog = (struct catalog){.entries = calloc(count + 1, sizeof *catalog->entries)};
    if (!catalog->entries)
        return pe_fail_errno(err, "a catalog of %zu images", count);
    for (size_t i = 0; i < count; i++) {
        const json_t *image = json_array_get(images, i);
        catalog->entries[i] =
            (struct catalog_entry){.name = json_string_value(json_object_get(image, "name")),
                                   .digest = json_string_value(json_object_get(image, "digest")),
                                   .json = image};
    }
    catalog->count = count;
    catalog->json = json_incref(images);
    for (size_t i = 0; i < count; i++)
        if (identify(&catalog->entries[i], err) < 0) {
            catalog_free(catalog);
            return -1;
        }
    qsort(catalog->entries, count, sizeof *catalog->entries, compare_entries);
    return 0;
}

void catalog_free(struct catalog *catalog)
{
    free(catalog->entries);
    json_decref(catalog->json);
    *catalog = (struct catalog){0};
}

static bool same_repository(const char *a, const char *b)
{
    size_t size = strcspn(a, ":@");
    return size == strcspn(b, ":@") && !memcmp(a, b, size);
}

const struct catalog_entry *catalog_find(const struct catalog *catalog, const char *reference)
{
    const char *digest = strchr(reference, '@');
    if (!digest) {
        struct catalog_entry key = {.name = reference};
        return bsearch(&key, catalog->entries, catalog->count, sizeof key, compare_entries);
    }
    for (size_t i = 0; i < catalog->count; i++)
        if (!strcmp(catalog->entries[i].digest, digest + 1) &&
            same_repository(catalog->entries[i].name, reference))
            return &catalog->entries[i];
    return NULL;
}

/* ---- near names ---- */

/* More typing errors than this are another name. It also bounds the work per name. */
enum { ERRORS_MAX = 4 };

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

/* Levenshtein's distance, or ERRORS_MAX + 1 when it is greater: only the diagonal band that can stay below it
 * is computed. */
static unsigned edit_distance(const char *a, const char *b)
{
    size_t m = strlen(a), n = strlen(b);
    if ((m > n ? m - n : n - m) > ERRORS_MAX || n > PE_IMAGE_NAME_MAX)
        return ERRORS_MAX + 1;
    unsigned row[PE_IMAGE_NAME_MAX + 1];
    for (size_t j = 0; j <= n; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= m; i++) {
        size_t from = i > ERRORS_MAX ? i - ERRORS_MAX : 1;
        size_t to = i + ERRORS_MAX < n ? i + ERRORS_MAX : n;
        unsigned diagonal = row[from - 1];
        row[from - 1] = from == 1 ? (unsigned)i : ERRORS_MAX + 1;
        for (size_t j = from; j <= to; j++) {
            unsigned above = j == i + ERRORS_MAX ? ERRORS_MAX + 1 : row[j];
            unsigned here = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = row[j];
            row[j] = here;
        }
    }
    return row[n] > ERRORS_MAX ? ERRORS_MAX + 1 : row[n];
}

static void near_insert(struct catalog_near *near, const char *name, unsigned distance)
{
    for (size_t i = 0; i < near->count; i++)
        if (!strcmp(near->names[i], name))
            return; /* another host has it too */
    size_t at = near->count;
    while (at > 0 && near->distances[at - 1] > distance)
        at--;
    if (at == CATALOG_NEAR_MAX)
        return;
    if (near->count < CATALOG_NEAR_MAX)
        near->count++;
    for (size_t i = near->count - 1; i > at; i--) {
        near->names[i] = near->names[i - 1];
        near->distances[i] = near->distances[i - 1];
    }
    near->names[at] = name;
    near->distances[at] = distance;
}

void catalog_near_add(struct catalog_near *near, const struct catalog *catalog, const char *reference)
{
    for (size_t i = 0; i < catalog->count; i++) {
        const char *name = catalog->entries[i].name;
        unsigned distance = same_repository(name, reference) ? 0 : edit_distance(reference, name);
        if (distance <= ERRORS_MAX)
            near_insert(near, name, distance);
    }
}
