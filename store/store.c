/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the image store. pe-worker, pe-image and pe-run use it. image/store_writer.c writes the
 * store. */
#include "store/store.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/sha256.h"
#include "proto/image_reference.h"
#include "proto/job_spec.h"
#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- listing ---- */

#define NAMES "names"
#define SUFFIX ".json"

void pe_store_name_path(const char *name, char path[PE_STORE_NAME_PATH_MAX])
{
    snprintf(path, PE_STORE_NAME_PATH_MAX, NAMES "/%.*s" SUFFIX, (int)PE_IMAGE_NAME_MAX, name);
    for (char *at = path + strlen(NAMES "/"); *at; at++)
        if (*at == '/')
            *at = '+';
}

static int parse_entry(const struct pe_buf *text, const char *path, struct pe_image *image,
                       struct pe_error *err)
{
    json_error_t where;
    char own[PE_STORE_NAME_PATH_MAX];
    pe_autojson json_t *json = json_loadb((const char *)text->data, text->size, 0, &where);
    if (!json)
        return pe_fail(err, PE_ERR_MALFORMED, "it is not valid JSON: line %d: %s", where.line, where.text);
    if (pe_image_from_json(json, image, err) < 0 ||
        pe_sha256_hex(text->data, text->size, image->identity, err) < 0)
        return -1;
    pe_store_name_path(image->name, own);
    if (strcmp(own, path) != 0)
        return pe_fail(err, PE_ERR_MALFORMED, "it has the name '%s', which does not belong to this file",
                       image->name);
    return 0;
}

/* Read one catalog entry. Returns 1, or 0 if it has been removed in the meantime. */
static int read_entry(int store, const char *path, struct pe_image *image, struct pe_error *err)
{
    pe_autoclose int fd = openat(store, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return pe_fail_errno(err, "cannot open %s", path);
    pe_autobuf struct pe_buf text = {0};
    *image = (struct pe_image){0};
    if (pe_read_all(fd, PE_STORE_ENTRY_BYTES_MAX, &text, path, err) == 0 &&
        parse_entry(&text, path, image, err) == 0)
        return 1;
    pe_image_free(image);
    return pe_fail_context(err, "cannot read the catalog entry %s", path);
}

static int append_image(struct pe_store_images *images, struct pe_image *image, struct pe_error *err)
{
    struct pe_image *items = reallocarray(images->items, images->count + 1, sizeof *items);
    if (!items) {
        pe_image_free(image);
        return pe_fail_errno(err, "out of memory for the list of images");
    }
    images->items = items;
    items[images->count++] = *image;
    return 0;
}

static bool is_entry(const char *name)
{
    size_t size = strlen(name);
    return name[0] != '.' && size > strlen(SUFFIX) && !strcmp(name + size - strlen(SUFFIX), SUFFIX);
}

static int read_entries(int store, DIR *names, struct pe_store_images *images, struct pe_error *err)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(names);
        if (!entry)
            return errno ? pe_fail_errno(err, "cannot read the directory " NAMES) : 0;
        char path[sizeof entry->d_name + sizeof NAMES];
        struct pe_image image;
        if (!is_entry(entry->d_name))
            continue;
        snprintf(path, sizeof path, NAMES "/%s", entry->d_name);
        int got = read_entry(store, path, &image, err);
        if (got < 0 || (got > 0 && append_image(images, &image, err) < 0))
            return -1;
    }
}

static int compare_names(const void *left, const void *right)
{
    const struct pe_image *a = left, *b = right;
    return strcmp(a->name, b->name);
}

static int open_names(int store, DIR **names, struct pe_error *err)
{
    pe_autoclose int fd = openat(store, NAMES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *names = NULL;
    if (fd < 0)
        return errno == ENOENT ? 0 : pe_fail_errno(err, "cannot open the directory " NAMES);
    *names = fdopendir(fd);
    if (!*names)
        return pe_fail_errno(err, "cannot open the directory " NAMES);
    (void)pe_steal_fd(&fd);
    return 0;
}

int pe_store_list(const char *store, struct pe_store_images *images, struct pe_error *err)
{
    *images = (struct pe_store_images){0};
    pe_autoclose int directory = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 && errno == ENOENT)
        return pe_fail(err, PE_ERR_NOT_FOUND,
                       "there is no image store at %s; `pe-image pull` or, in a source tree, `make images` "
                       "creates one",
                       store);
    if (directory < 0)
        return pe_fail_errno(err, "cannot open the image store %s", store);
    pe_autodir DIR *names = NULL;
    if (open_names(directory, &names, err) < 0 ||
        (names && read_entries(directory, names, images, err) < 0)) {
        pe_store_images_free(images);
        return pe_fail_context(err, "image store %s", store);
    }
    if (images->count)
        qsort(images->items, images->count, sizeof *images->items, compare_names);
    return 0;
}

void pe_store_images_free(struct pe_store_images *images)
{
    for (size_t i = 0; i < images->count; i++)
        pe_image_free(&images->items[i]);
    free(images->items);
    *images = (struct pe_store_images){0};
}

/* ---- finding ---- */

static void fail_unknown(const struct pe_store_images *images, const char *reference, struct pe_error *err)
{
    struct pe_image_suggestions suggestions = {.reference = reference};
    for (size_t i = 0; i < images->count; i++)
        pe_image_suggestions_add(&suggestions, images->items[i].name);
    pe_fail(err, PE_ERR_NOT_FOUND, "there is no image '%.200s' in the store", reference);
    pe_image_suggestions_append(&suggestions, err->message, sizeof err->message);
}

const struct pe_image *pe_store_find(const struct pe_store_images *images, const char *reference,
                                     struct pe_error *err)
{
    for (size_t i = 0; i < images->count; i++) {
        const struct pe_image *image = &images->items[i];
        if (pe_image_reference_matches(reference, image->name, image->digest))
            return image;
    }
    fail_unknown(images, reference, err);
    return NULL;
}

static int check_link(const char *store, const char *name, const struct pe_image *image, struct pe_error *err)
{
    struct stat info;
    pe_autofree char *path = NULL;
    if (asprintf(&path, "%s/%s", store, name) < 0) {
        path = NULL;
        return pe_fail_errno(err, "out of memory for the path of %s", image->name);
    }
    if (lstat(path, &info) < 0 || !S_ISLNK(info.st_mode))
        return 0;
    return pe_fail(
        err, PE_ERR_INVALID,
        "the image %s cannot be run: %s is a symbolic link, and slots may read nothing outside of "
        "the image store; put a copy in its place (cp -aL), or mount what it leads to (mount --bind)",
        image->name, path);
}

int pe_store_check_links(const char *store, const struct pe_image *image, struct pe_error *err)
{
    if (!pe_sha256_digest_valid(image->digest))
        return pe_fail(err, PE_ERR_INTERNAL, "the catalog entry of %s has no valid digest", image->name);
    return check_link(store, NAMES, image, err) < 0
               ? -1
               : check_link(store, image->digest + strlen(PE_SHA256_PREFIX), image, err);
}

int pe_store_open_rootfs(const char *store, const struct pe_image *image, struct pe_error *err)
{
    pe_autofree char *path = NULL;
    if (!pe_sha256_digest_valid(image->digest))
        return pe_fail(err, PE_ERR_INTERNAL, "the catalog entry of %s has no valid digest", image->name);
    if (asprintf(&path, "%s/%s/rootfs.squashfs", store, image->digest + strlen(PE_SHA256_PREFIX)) < 0) {
        path = NULL;
        return pe_fail_errno(err, "out of memory for the path of %s", image->name);
    }
    struct stat info;
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return pe_fail(err, PE_ERR_NOT_FOUND, "the image %s has been removed or replaced", image->name);
    if (fd < 0 || fstat(fd, &info) < 0)
        return pe_fail_errno(err, "cannot open %s", path);
    if (!S_ISREG(info.st_mode) || info.st_size == 0 || info.st_size % PE_PMEM_ALIGN)
        return pe_fail(err, PE_ERR_INTERNAL, "%s is damaged: its size is not a multiple of 2 MiB", path);
    return pe_steal_fd(&fd);
}
