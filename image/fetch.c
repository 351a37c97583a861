/* SPDX-License-Identifier: Apache-2.0 */
/* Fetching images with libcurl. The other host is not trusted: sizes, names and digests are
 * checked. */
#include "image/fetch.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "codec/json_bounds.h"
#include "codec/sha256.h"
#include "image/store_writer.h"
#include "proto/job_spec.h"
#include "proto/limits.h"
#include "store/store.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define INDEX_BYTES_MAX (16u << 20)
/* A catalog entry has between 4 and a few hundred values, and a value takes about 200 bytes of
 * memory. */
#define INDEX_VALUES_MAX 500000u
#define INDEX_IMAGES_MAX 10000u
/* A connection with less than 1 KiB/s for this long is considered dead. */
#define STALL_SECONDS 30L
/* The index is small, so a host that sends it in drops does not deserve patience. */
#define INDEX_SECONDS_MAX 300L

struct download {
    struct pe_buf *memory; /* where the bytes go, or NULL */
    int fd;                /* where they go otherwise */
    uint64_t bytes, bytes_max;
    long seconds_max; /* 0: no limit, except for standing still */
    struct progress *progress;
    struct pe_error *err; /* where on_bytes reports its errors */
    bool refused;
};

static size_t on_bytes(char *bytes, size_t one, size_t size, void *data)
{
    struct download *download = data;
    size_t total = one * size;
    if (total > download->bytes_max - download->bytes) {
        pe_fail(download->err, PE_ERR_TOO_LARGE, "more than the expected %llu bytes were received",
                (unsigned long long)download->bytes_max);
        download->refused = true;
        return 0;
    }
    int failed = download->memory
                     ? pe_buf_append(download->memory, bytes, total, download->err)
                     : pe_write_all(download->fd, bytes, total, "the downloaded rootfs", download->err);
    download->refused = failed < 0;
    download->bytes += total;
    progress_add(download->progress, total);
    return failed < 0 ? 0 : total;
}

static void cleanup_curl(CURL **curl)
{
    curl_easy_cleanup(*curl);
}

static int download_url(const char *url, struct download *download, struct pe_error *err)
{
    char why[CURL_ERROR_SIZE] = "";
    __attribute__((cleanup(cleanup_curl))) CURL *curl = curl_easy_init();
    if (!curl)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot start libcurl");
    download->err = err;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1024L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALL_SECONDS);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, STALL_SECONDS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, download->seconds_max);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, download);
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_OK)
        return 0;
    if (download->refused)
        return pe_fail_context(err, "cannot fetch %s", url);
    return pe_fail(err, PE_ERR_LOST, "cannot fetch %s: %s", url, *why ? why : curl_easy_strerror(code));
}

/* ---- one image ---- */

static int download_rootfs(const char *url, const struct pe_image *image, const struct store_writer *writer,
                           struct progress *progress, struct pe_error *err)
{
    char from[4096], digest[PE_SHA256_DIGEST_SIZE];
    snprintf(from, sizeof from, "%s/%s/rootfs.squashfs", url, image->digest + strlen("sha256:"));
    pe_autoclose int fd = open(writer->rootfs, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return pe_fail_errno(err, "cannot create %s", writer->rootfs);
    struct download download = {.fd = fd, .bytes_max = image->rootfs_bytes, .progress = progress};
    progress_begin(progress, "fetching", image->rootfs_bytes);
    if (download_url(from, &download, err) < 0 || pe_sha256_file_digest(writer->rootfs, digest, err) < 0)
        return -1;
    if (strcmp(digest, image->digest) != 0)
        return pe_fail(
            err, PE_ERR_INVALID,
            "%s has the digest %s instead of %s; fetch it again, or run `pe-image verify` on the other host",
            from, digest, image->digest);
    return 0;
}

/* Fetch one image. When the store has its bytes under another name, only the name is added. */
static int fetch_one(const char *store, const char *url, const struct pe_image *image, bool have_bytes,
                     struct progress *progress, struct pe_error *err)
{
    if (image->rootfs_bytes == 0 || image->rootfs_bytes % PE_PMEM_ALIGN)
        return pe_fail(
            err, PE_ERR_INVALID,
            "the other store lists %s with a rootfs of %llu bytes, which is not a positive multiple of 2 MiB",
            image->name, (unsigned long long)image->rootfs_bytes);
    if (have_bytes)
        return store_add_name(store, image, err);
    pe_autostorewriter struct store_writer writer = {.lock = -1};
    progress_report(progress, "%s: fetching %.1f MiB", image->name, (double)image->rootfs_bytes / 1048576);
    if (store_writer_begin(store, &writer, err) < 0 ||
        download_rootfs(url, image, &writer, progress, err) < 0)
        return -1;
    progress_end(progress);
    return store_writer_publish(&writer, image, 1, err);
}

/* ---- all images ---- */

static json_t *download_index(const char *url, struct progress *progress, struct pe_error *err)
{
    char from[4096];
    json_error_t where;
    pe_autobuf struct pe_buf text = {0};
    struct download download = {.memory = &text,
                                .fd = -1,
                                .bytes_max = INDEX_BYTES_MAX,
                                .seconds_max = INDEX_SECONDS_MAX,
                                .progress = progress};
    snprintf(from, sizeof from, "%s/index.json", url);
    progress_begin(progress, "index", 0);
    if (download_url(from, &download, err) < 0)
        return NULL;
    if (pe_json_check_bounds(text.data, text.size, INDEX_VALUES_MAX, err) < 0) {
        pe_fail_context(err, "%s", from);
        return NULL;
    }
    json_t *json = json_loadb((const char *)text.data, text.size, 0, &where);
    if (json_array_size(json) > INDEX_IMAGES_MAX) {
        json_decref(json);
        pe_fail(err, PE_ERR_TOO_LARGE, "%s lists more than %u images", from, INDEX_IMAGES_MAX);
        return NULL;
    }
    if (json_is_array(json))
        return json;
    json_decref(json);
    pe_fail(err, PE_ERR_MALFORMED,
            "%s is not the index of an image store; the URL must be that of the store's directory", from);
    return NULL;
}

enum presence { ABSENT, BYTES_ONLY, SAME };

/* How much of an image is among the images of the store. */
static enum presence find_presence(const struct pe_store_images *images, const struct pe_image *image)
{
    enum presence presence = ABSENT;
    for (size_t i = 0; i < images->count; i++) {
        if (strcmp(images->items[i].digest, image->digest) != 0)
            continue;
        presence = presence == ABSENT ? BYTES_ONLY : presence;
        if (!strcmp(images->items[i].name, image->name)) {
            pe_autojson json_t *ours = pe_image_to_json(&images->items[i]);
            pe_autojson json_t *theirs = pe_image_to_json(image);
            presence = json_equal(ours, theirs) ? SAME : BYTES_ONLY;
            break;
        }
    }
    return presence;
}

static bool is_wanted(const char *name, char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(name, names[i]))
            return true;
    return count == 0;
}

static int check_names(const json_t *index, char *const *names, size_t count, struct pe_error *err)
{
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        const json_t *entry = NULL;
        bool found = false;
        json_array_foreach(index, k, entry)
        {
            const char *name = json_string_value(json_object_get(entry, "name"));
            found |= name && !strcmp(name, names[i]);
        }
        if (!found)
            return pe_fail(err, PE_ERR_NOT_FOUND, "the other store has no image '%s'", names[i]);
    }
    return 0;
}

/* List the images of the store again. One that does not exist yet has none. */
static void list_again(const char *store, struct pe_store_images *images)
{
    struct pe_error ignored;
    pe_store_images_free(images);
    (void)!pe_store_list(store, images, &ignored);
}

/* Fetch an image that the index describes, unless it is there already. */
static int fetch_entry(const struct fetch_options *options, const struct pe_image *image,
                       struct pe_store_images *images, struct fetch_result *result, struct pe_error *err)
{
    enum presence presence = find_presence(images, image);
    if (presence == SAME) {
        result->present++;
        return 0;
    }
    if (image->rootfs_bytes > options->bytes_max)
        return pe_fail(err, PE_ERR_TOO_LARGE,
                       "the other store lists %s with a rootfs of %llu bytes; --max-mib sets the limit",
                       image->name, (unsigned long long)image->rootfs_bytes);
    if (fetch_one(options->store, options->url, image, presence == BYTES_ONLY, options->progress, err) < 0)
        return -1;
    result->fetched++;
    list_again(options->store, images);
    return 0;
}

int fetch_images(const struct fetch_options *options, char *const *names, size_t count,
                 struct fetch_result *result, struct pe_error *err)
{
    size_t i = 0;
    const json_t *json = NULL;
    pe_autostoreimages struct pe_store_images images = {0};
    *result = (struct fetch_result){0};
    pe_autojson json_t *index = download_index(options->url, options->progress, err);
    if (!index || check_names(index, names, count, err) < 0)
        return -1;
    list_again(options->store, &images);
    json_array_foreach(index, i, json)
    {
        pe_autoimage struct pe_image image = {0};
        if (pe_image_from_json(json, &image, err) < 0)
            return pe_fail_context(err, "%s/index.json", options->url);
        if (is_wanted(image.name, names, count) && fetch_entry(options, &image, &images, result, err) < 0)
            return -1;
    }
    return 0;
}
