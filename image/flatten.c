/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of flattening: scan every layer and write the files of the last one; complete the tree;
 * write the files of the other layers that are left; read its users; compute the digest. */
#include "image/flatten.h"

#include "base/cleanup.h"
#include "image/squashfs_image.h"
#include "image/squashfs_reader.h"
#include "image/tree.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* /etc/passwd of a machine with a hundred thousand users has about 8 MiB. */
#define ACCOUNT_FILE_MAX (16u << 20)

void flatten_result_free(struct flatten_result *result)
{
    pe_buf_free(&result->passwd);
    pe_buf_free(&result->group);
}

/* ---- mount points ---- */

/* These directories are mounted on. They must exist, because the image is read-only, and must not be
 * symbolic links, because crun before 1.30 followed links that an image supplied. Nothing is mounted
 * on /tmp. It may be a link: pe-init makes the directory that it leads to, if that is missing. */
static int make_mount_points(struct tree *tree, struct pe_error *err)
{
    static const struct {
        const char *path;
        uint32_t mode;
    } points[] = {{"dev", 0755},  {"proc", 0555},  {"sys", 0555},   {"tmp", 01777},
                  {"work", 0755}, {"input", 0755}, {"output", 0755}};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        const char *path = points[i].path;
        struct tree_inode *inode = tree_find(tree, path);
        bool is_link = inode && S_ISLNK(inode->attributes.mode);
        if (is_link && !strcmp(path, "tmp"))
            continue;
        if (inode && !S_ISDIR(inode->attributes.mode))
            return pe_fail(err, PE_ERR_INVALID,
                           "/%s of this root filesystem is %s, but a job needs a directory there", path,
                           is_link ? "a symbolic link" : "not a directory");
        const struct tree_attributes attributes = {.mode = S_IFDIR | points[i].mode};
        if (!inode && tree_add(tree, path, &attributes, &inode, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the steps ---- */

struct flattening {
    const struct stream_input *layers;
    size_t count;
    const struct flatten_options *options;
    struct progress *progress;
    struct layer_plan *plans; /* array with one plan per layer; owned */
    struct tree tree;
};

static void free_flattening(struct flattening *state)
{
    for (size_t i = 0; state->plans && i < state->count; i++)
        layer_plan_free(&state->plans[i]);
    free(state->plans);
    tree_free(&state->tree);
}

/* Scan the layers `from` to `to` - 1. With `rules->squashfs` their files are written, too. */
static int scan(struct flattening *state, size_t from, size_t to, struct layer_rules *rules,
                uint64_t *unpacked_left, struct layer_counts *counts, struct pe_error *err)
{
    for (size_t i = from; i < to; i++) {
        const struct stream_input *layer = &state->layers[i];
        pe_autostream struct stream *stream = stream_open(layer, unpacked_left, state->progress, err);
        state->tree.layer = (uint32_t)i;
        if (!stream ||
            layer_scan(stream, layer->name, &state->tree, rules, &state->plans[i], counts, err) < 0 ||
            stream_finish(stream, err) < 0)
            return -1;
    }
    return 0;
}

/* Write the files of all layers but the last. The first pass checked the diff id. When the digest
 * of the file is checked again, the diff id need not be. */
static int write_layers(struct flattening *state, struct squashfs_image *squashfs,
                        struct layer_counts *counts, struct pe_error *err)
{
    uint64_t unpacked_left = state->options->bytes_max;
    for (size_t i = 0; i + 1 < state->count; i++) {
        struct stream_input layer = state->layers[i];
        layer.diff_id = layer.digest ? NULL : layer.diff_id;
        pe_autostream struct stream *stream = stream_open(&layer, &unpacked_left, state->progress, err);
        if (!stream || layer_write(stream, layer.name, &state->plans[i], squashfs, counts, err) < 0 ||
            stream_finish(stream, err) < 0)
            return -1;
    }
    return 0;
}

static uint64_t total_size(const struct flattening *state, size_t count)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += state->layers[i].size;
    return total;
}

/* Read a file of /etc from the image that was just written. It may be anywhere, because symbolic
 * links lead to it, as in images of NixOS. What is not a regular file counts as missing. */
static int read_account_file(struct squashfs_reader *reader, struct tree *tree, const char *path,
                             struct pe_buf *out, struct pe_error *err)
{
    const struct tree_inode *inode = tree_find_target(tree, path);
    if (!inode || !S_ISREG(inode->attributes.mode))
        return 0;
    uint64_t size = squashfs_reader_file_size(inode);
    if (size > ACCOUNT_FILE_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "/%s of the image has %llu bytes; at most %u are read", path,
                       (unsigned long long)size, ACCOUNT_FILE_MAX);
    if (pe_buf_reserve(out, (size_t)size, err) < 0)
        return -1;
    int64_t n = squashfs_reader_read_file(reader, inode, 0, out->data, (size_t)size, err);
    out->size = n < 0 ? 0 : (size_t)n;
    return n < 0 ? -1 : 0;
}

static int read_accounts(struct tree *tree, const char *path, struct flatten_result *result,
                         struct pe_error *err)
{
    pe_autosquashfsreader struct squashfs_reader *reader = squashfs_reader_open(path, err);
    return !reader || read_account_file(reader, tree, "etc/passwd", &result->passwd, err) < 0
               ? -1
               : read_account_file(reader, tree, "etc/group", &result->group, err);
}

static enum flatten_found look_up(struct tree *tree, const char *path)
{
    const struct tree_inode *inode = path ? tree_find_target(tree, path) : NULL;
    if (!inode)
        return FLATTEN_NOTHING;
    if (!S_ISDIR(inode->attributes.mode))
        return FLATTEN_FILE;
    return inode->directory.count ? FLATTEN_FULL_DIRECTORY : FLATTEN_EMPTY_DIRECTORY;
}

static int write_rootfs(struct flattening *state, const char *path, struct flatten_result *result,
                        struct pe_error *err)
{
    const size_t last = state->count - 1;
    struct layer_rules rules = {.whiteouts = state->options->whiteouts,
                                .keep_devices = state->options->keep_devices,
                                .bytes_left = state->options->bytes_max,
                                .members_left = LAYER_MEMBERS_MAX,
                                .metadata_left = LAYER_METADATA_MAX};
    uint64_t unpacked_left = state->options->bytes_max;
    pe_autosquashfs struct squashfs_image *squashfs = NULL;
    progress_begin(state->progress, "checking", total_size(state, last));
    if (scan(state, 0, last, &rules, &unpacked_left, &result->counts, err) < 0 ||
        !(squashfs = squashfs_image_create(path, state->options->compressor, err)))
        return -1;
    rules.squashfs = squashfs;
    progress_begin(state->progress, "writing", total_size(state, state->count));
    if (scan(state, last, state->count, &rules, &unpacked_left, &result->counts, err) < 0)
        return -1;
    if (state->tree.root->directory.count == 0)
        return pe_fail(err, PE_ERR_MALFORMED, "%s is an empty archive", state->layers[last].name);
    if (make_mount_points(&state->tree, err) < 0 || write_layers(state, squashfs, &result->counts, err) < 0 ||
        squashfs_image_finish(squashfs, &state->tree, &result->rootfs_bytes, err) < 0 ||
        read_accounts(&state->tree, path, result, err) < 0)
        return -1;
    for (size_t i = 0; i < FLATTEN_PATHS_MAX; i++)
        result->found[i] = look_up(&state->tree, state->options->paths[i]);
    progress_end(state->progress);
    return pe_sha256_file_digest(path, result->digest, err);
}

int flatten(const struct stream_input *layers, size_t count, const struct flatten_options *options,
            const char *path, struct progress *progress, struct flatten_result *result, struct pe_error *err)
{
    *result = (struct flatten_result){0};
    if (count == 0)
        return pe_fail(err, PE_ERR_INVALID, "the image has no layers");
    __attribute__((cleanup(free_flattening))) struct flattening state = {
        .layers = layers,
        .count = count,
        .options = options,
        .progress = progress,
        .plans = calloc(count, sizeof *state.plans)};
    if (!state.plans)
        return pe_fail_errno(err, "out of memory for %zu layers", count);
    return tree_init(&state.tree, err) < 0 ? -1 : write_rootfs(&state, path, result, err);
}
