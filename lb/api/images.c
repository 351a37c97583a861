/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/images: the catalogs of all workers as one list, optionally only the images that can
 * run a certain file, and the limits of a job. */
#include "lb/api/info.h"

#include "base/cleanup.h"
#include "lb/edge/http_reply.h"
#include "proto/job_spec.h"
#include "proto/limits.h"
#include "proto/metadata.h"

#include <stdio.h>
#include <string.h>

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

/* NULL without memory. */
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
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (json_object_set_new(object, limits[i].name, json_integer(limits[i].value)) < 0) {
            json_decref(object);
            return NULL;
        }
    return object;
}

/* ---- the list ---- */

/* How much is done before other requests have their turn, in steps of a few nanoseconds: to look for the next
 * image in the catalog of one worker, and altogether. */
enum { LOOKUP_WORK = 128, WORK_MAX = 2 * 1024 * 1024 };

/* The state of one response: what was sent last. Catalogs may change while it is sent. Images are
 * sorted by name, then by digest, so none is listed twice; different images of the same name are
 * listed separately. */
struct listing {
    const struct scheduler *scheduler;
    bool begun, comma;
    char name[PE_IMAGE_NAME_MAX + 1];
    char digest[80];
    char file[PE_PATH_MAX + 1]; /* list only images that accept it; empty: all */
};

/* The next image of all workers, and how many of them have it. NULL behind the last one. */
static const struct catalog_entry *next_image(const struct listing *listing, size_t *hosts)
{
    const struct catalog_entry *first = NULL;
    pe_list_for_each(node, &listing->scheduler->workers)
    {
        const struct catalog *catalog = &pe_list_entry(node, struct worker, in_workers)->claim->catalog;
        const struct catalog_entry *entry = catalog_next(catalog, listing->name, listing->digest);
        int order = !entry ? 1 : !first ? -1 : strcmp(entry->name, first->name);
        if (entry && first && order == 0)
            order = strcmp(entry->digest, first->digest);
        *hosts = order < 0 ? 1 : *hosts + (order == 0);
        first = order < 0 ? entry : first;
    }
    return first;
}

static int append_image(struct listing *listing, const json_t *json, size_t hosts, struct pe_buf *out,
                        struct pe_error *err)
{
    pe_autojson json_t *image = json_copy((json_t *)json);
    if (image && json_object_set_new(image, "hosts", json_integer((json_int_t)hosts)) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the list of images");
    pe_autofree char *text = image ? json_dumps(image, JSON_COMPACT) : NULL;
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the list of images");
    if (listing->comma && pe_buf_append(out, ",", 1, err) < 0)
        return -1;
    listing->comma = true;
    return pe_buf_append_text(out, text, err);
}

static int append_end(struct pe_buf *out, struct pe_error *err)
{
    pe_autojson json_t *limits = defaults();
    pe_autofree char *text = limits ? json_dumps(limits, JSON_COMPACT) : NULL;
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the list of images");
    return pe_buf_printf(out, err, "],\"defaults\":%s}", text);
}

static int append_listing(void *state, struct pe_buf *out, size_t room, bool *ended, struct pe_error *err)
{
    struct listing *listing = state;
    if (!listing->begun && pe_buf_append_text(out, "{\"images\":[", err) < 0)
        return -1;
    listing->begun = true;
    for (size_t work = 0; out->size < room && work < WORK_MAX;) {
        size_t hosts = 0;
        const struct catalog_entry *entry = next_image(listing, &hosts);
        *ended = !entry;
        if (!entry)
            return append_end(out, err);
        snprintf(listing->name, sizeof listing->name, "%s", entry->name);
        snprintf(listing->digest, sizeof listing->digest, "%s", entry->digest);
        work += listing->scheduler->known_count * LOOKUP_WORK;
        if (listing->file[0])
            work += pe_metadata_match_work(entry->json, listing->file);
        bool wanted = !listing->file[0] || pe_metadata_accepts_file(entry->json, listing->file);
        if (wanted && append_image(listing, entry->json, hosts, out, err) < 0)
            return -1;
    }
    return 0;
}

void api_images(const struct scheduler *scheduler, struct body_streams *streams, h2o_req_t *req)
{
    static const struct body_source source = {.append = append_listing};
    struct listing listing = {.scheduler = scheduler};
    query_file(req, listing.file);
    http_reply_header(req, "cache-control", "no-store");
    body_stream_send(streams, req, "application/json", &source, &listing, sizeof listing);
}
