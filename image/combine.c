/* SPDX-License-Identifier: Apache-2.0 */
/* Combining images. Files are considered equal when their SHA-256 digests are equal. */
#include "image/combine.h"

#include "base/cleanup.h"
#include "codec/sha256.h"
#include "image/flatten.h"
#include "image/squashfs_image.h"
#include "image/squashfs_reader.h"
#include "image/store_writer.h"
#include "image/tree.h"
#include "proto/job_spec.h"
#include "proto/limits.h"
#include "store/store.h"

#include <limits.h>
#include <sqfs/inode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define READ_BYTES (1u << 20)
#define PARTS_MAX 64u

struct known_file {
    char digest[PE_SHA256_DIGEST_SIZE];
    const struct tree_inode *inode;
};

struct combining {
    const struct combine_options *options;
    const struct pe_image *parts[PARTS_MAX]; /* pointers into `images` */
    char prefixes[PARTS_MAX][PE_IMAGE_NAME_MAX + 1];
    size_t count;
    struct pe_store_images images;
    struct tree tree;
    struct squashfs_image *squashfs;
    struct known_file *known; /* files of the first image, sorted by digest */
    size_t known_count;
    struct squashfs_limits limits;
    struct combine_result *result;
    uint8_t *chunk; /* READ_BYTES bytes */
};

static void free_combining(struct combining *state)
{
    squashfs_image_free(state->squashfs); /* freed first, because its threads write to the tree's inodes */
    tree_free(&state->tree);
    pe_store_images_free(&state->images);
    free(state->known);
    free(state->chunk);
}

static void rootfs_path(const struct combining *state, const struct pe_image *image, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s/rootfs.squashfs", state->options->store,
             image->digest + strlen("sha256:"));
}

/* The directory of an image: /library-gcc-14 for "library/gcc:14". A part of a combined image keeps
 * its directory. */
static void choose_prefix(const struct pe_image *image, char prefix[PE_IMAGE_NAME_MAX + 1])
{
    snprintf(prefix, PE_IMAGE_NAME_MAX + 1, "%s", *image->root ? image->root : image->name);
    for (char *at = prefix; *at; at++)
        if (*at == '/' || *at == ':')
            *at = '-';
}

/* ---- known files ---- */

/* Read the next part of a file, at least one byte. -1 on failure. */
static int64_t read_chunk(const struct combining *state, struct squashfs_reader *source,
                          const struct tree_inode *inode, uint64_t at, struct pe_error *err)
{
    int64_t n = squashfs_reader_read_file(source, inode, at, state->chunk, READ_BYTES, err);
    return n != 0 ? n
                  : pe_fail(err, PE_ERR_MALFORMED, "a file of the image is truncated; run `pe-image verify`");
}

static int digest_content(struct combining *state, struct squashfs_reader *source,
                          const struct tree_inode *inode, char text[PE_SHA256_DIGEST_SIZE],
                          struct pe_error *err)
{
    pe_autosha256 struct pe_sha256 *hash = pe_sha256_new(err);
    uint64_t size = squashfs_reader_file_size(inode);
    for (uint64_t at = 0; hash && at < size;) {
        int64_t n = read_chunk(state, source, inode, at, err);
        if (n < 0)
            return -1;
        pe_sha256_add(hash, state->chunk, (size_t)n);
        at += (uint64_t)n;
        progress_add(state->options->progress, (uint64_t)n);
    }
    return hash ? pe_sha256_end_digest(hash, text, err) : -1;
}

static int compare_known(const void *left, const void *right)
{
    const struct known_file *a = left, *b = right;
    return strcmp(a->digest, b->digest);
}

static int learn_files(struct combining *state, struct squashfs_reader *source, struct pe_error *err)
{
    state->known = calloc(state->tree.inode_count + 1, sizeof *state->known);
    if (!state->known)
        return pe_fail_errno(err, "out of memory for the list of files");
    for (const struct tree_inode *inode = state->tree.all; inode; inode = inode->next) {
        if (!inode->content || squashfs_reader_file_size(inode) == 0)
            continue;
        struct known_file *file = &state->known[state->known_count++];
        file->inode = inode;
        if (squashfs_reader_check_place(source, inode, err) < 0 ||
            digest_content(state, source, inode, file->digest, err) < 0)
            return -1;
    }
    qsort(state->known, state->known_count, sizeof *state->known, compare_known);
    return 0;
}

/* ---- adding files ---- */

/* Let `inode` refer to the blocks of `known`. */
static int share_content(struct combining *state, struct tree_inode *inode, const struct tree_inode *known,
                         struct pe_error *err)
{
    size_t size = sizeof *known->content + known->content->payload_bytes_available;
    state->result->shared_files++;
    state->result->shared_bytes += squashfs_reader_file_size(inode);
    sqfs_free(inode->content);
    inode->content = malloc(size);
    if (!inode->content)
        return pe_fail_errno(err, "out of memory for the file tree");
    memcpy(inode->content, known->content, size);
    return 0;
}

static int write_content(struct combining *state, struct squashfs_reader *source, struct tree_inode *inode,
                         struct pe_error *err)
{
    struct tree_inode from = {.content = inode->content};
    uint64_t size = squashfs_reader_file_size(&from);
    inode->content = NULL;
    int failed = squashfs_image_begin_file(state->squashfs, inode, size, err);
    for (uint64_t at = 0; !failed && at < size;) {
        int64_t n = read_chunk(state, source, &from, at, err);
        failed = n < 0 || squashfs_image_append(state->squashfs, state->chunk, (size_t)n, err) < 0;
        at += n > 0 ? (uint64_t)n : 0;
    }
    sqfs_free(from.content);
    return failed ? -1 : squashfs_image_end_file(state->squashfs, err);
}

static int add_file(struct combining *state, struct squashfs_reader *source, struct tree_inode *inode,
                    struct pe_error *err)
{
    struct known_file key = {.inode = NULL};
    if (squashfs_reader_file_size(inode) > 0) {
        if (digest_content(state, source, inode, key.digest, err) < 0)
            return -1;
        const struct known_file *found =
            bsearch(&key, state->known, state->known_count, sizeof key, compare_known);
        if (found)
            return share_content(state, inode, found->inode, err);
    }
    return write_content(state, source, inode, err);
}

/* Add every file below a directory in the order of names, so that the result is reproducible. */
static int add_files(struct combining *state, struct squashfs_reader *source,
                     const struct tree_inode *directory, struct pe_error *err)
{
    struct tree_place place = {0};
    const struct tree_entry *entry = NULL;
    while ((entry = tree_directory_next(&directory->directory, &place))) {
        struct tree_inode *inode = entry->inode;
        int failed = 0;
        if (S_ISDIR(inode->attributes.mode))
            failed = add_files(state, source, inode, err);
        else if (S_ISREG(inode->attributes.mode) && inode->layer != state->tree.layer) {
            inode->layer = state->tree.layer; /* marks it as added; it may have several names */
            failed = add_file(state, source, inode, err);
        }
        if (failed)
            return -1;
    }
    return 0;
}

/* ---- the steps ---- */

static int find_parts(struct combining *state, char *const *names, size_t count, struct pe_error *err)
{
    if (count < 2 || count > PARTS_MAX)
        return pe_fail(err, PE_ERR_INVALID, "combine takes 2 to %u images, not %zu", PARTS_MAX, count);
    if (pe_store_list(state->options->store, &state->images, err) < 0)
        return -1;
    for (; state->count < count; state->count++) {
        const struct pe_image *image = pe_store_find(&state->images, names[state->count], err);
        if (!image)
            return -1;
        state->parts[state->count] = image;
        choose_prefix(image, state->prefixes[state->count]);
        bool counted = false;
        for (size_t i = 0; i < state->count; i++) {
            if (!strcmp(state->prefixes[i], state->prefixes[state->count]))
                return pe_fail(err, PE_ERR_INVALID,
                               "%s is named twice, or would be in the same directory as %s", image->name,
                               state->parts[i]->name);
            counted |= !strcmp(state->parts[i]->digest, image->digest);
        }
        state->result->before += counted ? 0 : image->rootfs_bytes;
    }
    return 0;
}

/* Read the directories of a part. */
static int read_part(struct combining *state, struct squashfs_reader *source, size_t number,
                     struct pe_error *err)
{
    state->limits.bytes_left = state->options->bytes_max;
    return squashfs_reader_read_tree(source, state->parts[number]->root, &state->tree,
                                     state->prefixes[number], &state->limits, err);
}

/* True if an image is in the same file as the first one. */
static bool is_in_first(const struct combining *state, size_t number)
{
    return !strcmp(state->parts[number]->digest, state->parts[0]->digest);
}

/* Copy the first image's data as it is, and add it and all other images that are in its file. The
 * other parts of that file stay where they are. */
static int adopt_first(struct combining *state, struct pe_error *err)
{
    char path[PATH_MAX];
    rootfs_path(state, state->parts[0], path);
    pe_autosquashfsreader struct squashfs_reader *source = squashfs_reader_open(path, err);
    if (!source || squashfs_image_adopt(state->squashfs, path, err) < 0)
        return -1;
    for (size_t i = 0; i < state->count; i++)
        if (is_in_first(state, i) && read_part(state, source, i, err) < 0)
            return -1;
    return learn_files(state, source, err);
}

static int add_part(struct combining *state, size_t number, struct pe_error *err)
{
    char path[PATH_MAX];
    const struct pe_image *part = state->parts[number];
    if (is_in_first(state, number))
        return 0;
    rootfs_path(state, part, path);
    pe_autosquashfsreader struct squashfs_reader *source = squashfs_reader_open(path, err);
    state->tree.layer = (uint32_t)number;
    if (!source || read_part(state, source, number, err) < 0)
        return -1;
    const struct tree_inode *root = tree_find(&state->tree, state->prefixes[number]);
    return root ? add_files(state, source, root, err)
                : pe_fail(err, PE_ERR_INTERNAL, "%s has no directory in the combined image", part->name);
}

/* What differs between a part of a combined image and the image that it was. */
static int set_place(json_t *entry, const char *digest, const char *root, uint64_t size, struct pe_error *err)
{
    if (json_object_set_new(entry, "digest", json_string(digest)) < 0 ||
        json_object_set_new(entry, "root", json_string(root)) < 0 ||
        json_object_set_new(entry, "rootfs_bytes", json_integer((json_int_t)size)) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for an entry of the combined image");
    return 0;
}

static int publish(struct combining *state, struct store_writer *writer, uint64_t size, struct pe_error *err)
{
    char digest[PE_SHA256_DIGEST_SIZE];
    struct pe_image images[PARTS_MAX] = {0};
    int failed = pe_sha256_file_digest(writer->rootfs, digest, err);
    for (size_t i = 0; !failed && i < state->count; i++) {
        pe_autojson json_t *json = pe_image_to_json(state->parts[i]);
        failed = set_place(json, digest, state->prefixes[i], size, err);
        if (!failed)
            failed = pe_image_from_json(json, &images[i], err);
    }
    if (!failed)
        failed = store_writer_publish(writer, images, state->count, err);
    for (size_t i = 0; i < state->count; i++)
        pe_image_free(&images[i]);
    return failed;
}

/* The data of the first image is copied as it is, so that of the others is compressed in the same way. */
static int create_image(struct combining *state, const char *path, struct pe_error *err)
{
    char first[PATH_MAX];
    enum squashfs_compressor compressor = SQUASHFS_LZ4;
    rootfs_path(state, state->parts[0], first);
    if (squashfs_compressor_of(first, &compressor, err) < 0)
        return -1;
    state->squashfs = squashfs_image_create(path, compressor, err);
    return state->squashfs ? 0 : -1;
}

int combine_images(const struct combine_options *options, char *const *names, size_t count,
                   struct combine_result *result, struct pe_error *err)
{
    pe_autostorewriter struct store_writer writer = {.lock = -1};
    *result = (struct combine_result){0};
    __attribute__((cleanup(free_combining))) struct combining state = {
        .options = options,
        .limits = {.names_left = SQUASHFS_NAMES_MAX, .metadata_left = SQUASHFS_METADATA_MAX},
        .result = result,
        .chunk = malloc(READ_BYTES)};
    if (!state.chunk)
        return pe_fail_errno(err, "out of memory");
    progress_begin(options->progress, "combining", 0);
    if (find_parts(&state, names, count, err) < 0 || store_writer_begin(options->store, &writer, err) < 0 ||
        tree_init(&state.tree, err) < 0 || create_image(&state, writer.rootfs, err) < 0 ||
        adopt_first(&state, err) < 0)
        return -1;
    for (size_t i = 1; i < count; i++)
        if (add_part(&state, i, err) < 0)
            return -1;
    if (squashfs_image_finish(state.squashfs, &state.tree, &result->after, err) < 0)
        return -1;
    progress_end(options->progress);
    return publish(&state, &writer, result->after, err);
}
