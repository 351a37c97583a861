/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/images: the catalogs of all workers as one list, optionally only the images that can
 * run a certain file, and the limits of a job. */
#include "lb/api/info.h"

#include "base/cleanup.h"
#include "lb/edge/http_reply.h"
#include "proto/limits.h"
#include "proto/metadata.h"

#include <stdlib.h>
#include <string.h>

/* By name, then by digest: different images of the same name are listed separately. */
static int compare_entries(const void *left, const void *right)
{
    const struct catalog_entry *a = *(const struct catalog_entry *const *)left;
    const struct catalog_entry *b = *(const struct catalog_entry *const *)right;
    int order = strcmp(a->name, b->name);
    return order ? order : strcmp(a->digest, b->digest);
}

/* All entries of all workers, sorted. The caller frees the array. NULL without memory. */
static const struct catalog_entry **all_entries(const struct scheduler *scheduler, size_t *count)
{
    size_t total = 0;
    pe_list_for_each(node, &scheduler->workers)
    {
        total += pe_list_entry(node, struct worker, in_workers)->claim->catalog.count;
    }
    const struct catalog_entry **entries = calloc(total + 1, sizeof *entries);
    if (!entries)
        return NULL;
    *count = 0;
    pe_list_for_each(node, &scheduler->workers)
    {
        const struct catalog *catalog = &pe_list_entry(node, struct worker, in_workers)->claim->catalog;
        for (size_t i = 0; i < catalog->count; i++)
            entries[(*count)++] = &catalog->entries[i];
    }
    qsort(entries, total, sizeof *entries, compare_entries);
    return entries;
}

static int hex_value(char digit)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = digit ? strchr(digits, digit | 0x20) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Percent-decoding (RFC 3986 section 2.1). '+' is a space, as in HTML forms. Text that is too
 * long is truncated. */
static void decode(const char *text, size_t size, char out[PE_PATH_MAX + 1])
{
    size_t used = 0;
    for (size_t i = 0; i < size && used < PE_PATH_MAX; i++) {
        int high = text[i] == '%' && i + 2 < size ? hex_value(text[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text[i + 2]) : -1;
        out[used++] = low >= 0 ? (char)(high * 16 + low) : text[i] == '+' ? ' ' : text[i];
        i += low >= 0 ? 2 : 0;
    }
    out[used] = '\0';
}

/* The decoded value of `file` in the query; empty if there is none. */
static void query_file(const h2o_req_t *req, char file[PE_PATH_MAX + 1])
{
    static const char key[] = "file=";
    file[0] = '\0';
    if (req->query_at == SIZE_MAX)
        return;
    const char *at = req->path.base + req->query_at + 1, *end = req->path.base + req->path.len;
    while (at < end) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        size_t size = (size_t)((next ? next : end) - at);
        if (size >= strlen(key) && !memcmp(at, key, strlen(key))) {
            decode(at + strlen(key), size - strlen(key), file);
            return;
        }
        at += size + 1;
    }
}

static json_t *merged(const struct scheduler *scheduler, const char *file)
{
    size_t count = 0;
    pe_autofree const struct catalog_entry **entries = all_entries(scheduler, &count);
    json_t *images = entries ? json_array() : NULL;
    for (size_t i = 0, same = 1; images && i < count; i += same) {
        for (same = 1; i + same < count && compare_entries(&entries[i], &entries[i + same]) == 0;)
            same++;
        if (*file && !pe_metadata_accepts_file(entries[i]->json, file))
            continue;
        json_t *image = json_copy((json_t *)entries[i]->json);
        if (json_object_set_new(image, "hosts", json_integer((json_int_t)same)) < 0 ||
            json_array_append(images, image) < 0) {
            json_decref(images);
            images = NULL;
        }
        json_decref(image);
    }
    return images;
}

static json_t *defaults(void)
{
    static const struct {
        const char *name;
        json_int_t value;
    } limits[] = {
        {"timeout_ms", PE_TIMEOUT_MS_DEFAULT},
        {"timeout_ms_max", PE_TIMEOUT_MS_MAX},
        {"memory_mib", PE_GUEST_MEMORY_MIB},
        {"cpus", PE_GUEST_CPUS},
        {"pids", PE_PIDS_MAX},
        {"input_bytes", PE_INPUT_BYTES_MAX},
        {"input_files", PE_INPUT_FILES_MAX},
        {"stdout_bytes", PE_STDOUT_BYTES_MAX},
        {"stderr_bytes", PE_STDERR_BYTES_MAX},
        {"output_bytes", PE_OUTPUT_BYTES_MAX},
        {"output_files", PE_OUTPUT_FILES_MAX},
        {"scratch_bytes", PE_SCRATCH_BYTES_MAX},
    };
    json_t *object = json_object();
    for (size_t i = 0; object && i < sizeof limits / sizeof *limits; i++)
        json_object_set_new(object, limits[i].name, json_integer(limits[i].value));
    return object;
}

void api_images(const struct scheduler *scheduler, h2o_req_t *req)
{
    char file[PE_PATH_MAX + 1];
    query_file(req, file);
    http_reply_json(req, json_pack("{s:o, s:o}", "images", merged(scheduler, file), "defaults", defaults()));
}
