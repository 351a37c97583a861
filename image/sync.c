/* SPDX-License-Identifier: Apache-2.0 */
/* Which images of another store are fetched. How the bytes of one arrive is in image/part.c. The other host
 * is not trusted: sizes, names and digests are checked. */
#include "image/sync.h"

#include "base/buffer.h"
#include "codec/json_bounds.h"
#include "codec/sha256.h"
#include "image/part.h"
#include "image/store_writer.h"
#include "proto/job_spec.h"
#include "proto/limits.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>

#define INDEX_BYTES_MAX (16u << 20)
/* A catalog entry has between 4 and a few hundred values, and a value takes about 200 bytes of
 * memory. */
#define INDEX_VALUES_MAX 500000u
#define INDEX_IMAGES_MAX 10000u
/* The index is small, so a host that sends it in drops does not deserve patience. */
#define INDEX_SECONDS_MAX 300L

/* ---- one image ---- */

/* Fetch one image. When the store has its bytes under another name, only the name is added. */
static int fetch_one(const struct sync_options *options, const struct pe_image *image, bool have_bytes,
                     struct pe_error *err)
{
    char from[4096];
    if (image->rootfs_bytes == 0 || image->rootfs_bytes % PE_PMEM_ALIGN)
        return pe_fail(
            err, PE_ERR_INVALID,
            "the other store lists %s with a rootfs of %llu bytes, which is not a positive multiple of 2 MiB",
            image->name, (unsigned long long)image->rootfs_bytes);
    if (have_bytes)
        return store_add_name(options->store, image, err);
    pe_autostorewriter struct store_writer writer = {.lock = -1};
    progress_report(options->progress, "%s: fetching %.1f MiB", image->name,
                    (double)image->rootfs_bytes / 1048576);
    snprintf(from, sizeof from, "%s/%s/rootfs.squashfs", options->url,
             image->digest + strlen(PE_SHA256_PREFIX));
    if (store_writer_begin(options->store, &writer, err) < 0 ||
        part_fetch(options->store, from, image, &options->route, options->progress, writer.rootfs, err) < 0)
        return -1;
    progress_end(options->progress);
    return store_writer_publish(&writer, image, 1, err);
}

/* ---- all images ---- */

static json_t *download_index(const struct sync_options *options, struct pe_error *err)
{
    char from[4096];
    json_error_t where;
    pe_autobuf struct pe_buf text = {0};
    struct download download = {.route = &options->route,
                                .memory = &text,
                                .fd = -1,
                                .bytes_max = INDEX_BYTES_MAX,
                                .seconds_max = INDEX_SECONDS_MAX,
                                .progress = options->progress};
    snprintf(from, sizeof from, "%s/index.json", options->url);
    progress_begin(options->progress, "index", 0);
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

/* Whether a wish, NAME:TAG or NAME:TAG@sha256:DIGEST, names an image of the index; `digest` is then the part
 * behind '@', or NULL. */
static bool names_image(const char *wish, const char *name, const char **digest)
{
    const char *at = strchr(wish, '@');
    const size_t size = at ? (size_t)(at - wish) : strlen(wish);
    *digest = at ? at + 1 : NULL;
    return strlen(name) == size && !memcmp(wish, name, size);
}

/* Whether the image of an entry is wished. The other store may list a name twice: where a digest is demanded,
 * another version of this name is not. */
static bool is_wanted(const struct pe_image *image, char *const *wishes, size_t count)
{
    bool is_named = count == 0;
    for (size_t i = 0; i < count; i++) {
        const char *digest = NULL;
        if (!names_image(wishes[i], image->name, &digest))
            continue;
        if (digest && strcmp(digest, image->digest) != 0)
            return false;
        is_named = true;
    }
    return is_named;
}

/* Check that the index has the image, with the digest that is wished. */
static int check_wish(const json_t *index, const char *wish, struct pe_error *err)
{
    size_t i = 0;
    const json_t *entry = NULL;
    const char *other = NULL, *wanted = NULL;
    json_array_foreach(index, i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (!name || !names_image(wish, name, &wanted))
            continue;
        const char *digest = json_string_value(json_object_get(entry, "digest"));
        if (!wanted || (digest && !strcmp(digest, wanted)))
            return 0;
        other = digest ? digest : "of no kind";
    }
    if (!other)
        return pe_fail(err, PE_ERR_NOT_FOUND, "the other store has no image '%s'", wish);
    return pe_fail(err, PE_ERR_INVALID,
                   "the other store has %.*s with the digest %.80s, but %.80s is wanted: it has another "
                   "version of the image, or was tampered with; ask who runs it",
                   (int)strcspn(wish, "@"), wish, other, strchr(wish, '@') + 1);
}

/* List the images of the store again. One that does not exist yet has none. */
static void list_again(const char *store, struct pe_store_images *images)
{
    struct pe_error ignored;
    pe_store_images_free(images);
    (void)!pe_store_list(store, images, &ignored);
}

/* Fetch an image that the index describes, unless it is there already. */
static int fetch_entry(const struct sync_options *options, const struct pe_image *image,
                       struct pe_store_images *images, struct sync_result *result, struct pe_error *err)
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
    if (fetch_one(options, image, presence == BYTES_ONLY, err) < 0)
        return -1;
    result->fetched++;
    list_again(options->store, images);
    return 0;
}

int sync_images(const struct sync_options *options, char *const *names, size_t count,
                struct sync_result *result, struct pe_error *err)
{
    size_t i = 0;
    const json_t *json = NULL;
    pe_autostoreimages struct pe_store_images images = {0};
    *result = (struct sync_result){0};
    pe_autojson json_t *index = download_index(options, err);
    if (!index)
        return -1;
    for (size_t k = 0; k < count; k++)
        if (check_wish(index, names[k], err) < 0)
            return -1;
    list_again(options->store, &images);
    json_array_foreach(index, i, json)
    {
        pe_autoimage struct pe_image image = {0};
        if (pe_image_from_json(json, &image, err) < 0)
            return pe_fail_context(err, "%s/index.json", options->url);
        if (is_wanted(&image, names, count) && fetch_entry(options, &image, &images, result, err) < 0)
            return -1;
    }
    return 0;
}
