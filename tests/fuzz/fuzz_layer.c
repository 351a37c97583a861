/* SPDX-License-Identifier: Apache-2.0 */
/* Layers of images: tars, perhaps compressed. The first byte of the input has options. The layer is
 * applied twice, as the first and as the last one, so that it hides and replaces what it had. The tree
 * stays in order, its limits hold, and a file gets exactly as many bytes as its header says. */
#include "base/cleanup.h"
#include "image/layer.h"
#include "tests/fuzz/fuzz.h"

#include <limits.h>
#include <sys/stat.h>

enum { MEMBERS = 64, METADATA = 8192, BYTES = 1 << 20 };

/* ---- in the place of image/squashfs_image.c ---- */

struct squashfs_image {
    bool is_open;
    uint64_t left; /* bytes of the file that have not come yet */
};

int squashfs_image_begin_file(struct squashfs_image *squashfs, struct tree_inode *inode, uint64_t size,
                              struct pe_error *err)
{
    (void)err;
    HOLDS(!squashfs->is_open && S_ISREG(inode->attributes.mode) && size <= BYTES);
    *squashfs = (struct squashfs_image){.is_open = true, .left = size};
    return 0;
}

int squashfs_image_append(struct squashfs_image *squashfs, const void *bytes, size_t size,
                          struct pe_error *err)
{
    (void)err;
    HOLDS(squashfs->is_open && size <= squashfs->left);
    free(fuzz_text(bytes, size)); /* ASan sees it if a byte is not there */
    squashfs->left -= size;
    return 0;
}

int squashfs_image_end_file(struct squashfs_image *squashfs, struct pe_error *err)
{
    (void)err;
    HOLDS(squashfs->is_open && squashfs->left == 0);
    squashfs->is_open = false;
    return 0;
}

/* ---- the tree ---- */

static void check_name(const char *name)
{
    HOLDS(*name && strlen(name) <= NAME_MAX && !strchr(name, '/'));
    HOLDS(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
}

/* Entries are in order and have names, and only directories have any. `number` counts the names of each
 * inode. */
static void check_directory(const struct tree_inode *inode, size_t depth)
{
    struct tree_place place = {0};
    const char *last = "";
    size_t count = 0;
    HOLDS(depth < PATH_MAX);
    for (const struct tree_entry *entry; (entry = tree_directory_next(&inode->directory, &place)); count++) {
        check_name(entry->name);
        HOLDS(strcmp(last, entry->name) < 0);
        last = entry->name;
        entry->inode->number++;
        HOLDS(entry->inode->directory.count == 0 || S_ISDIR(entry->inode->attributes.mode));
        if (S_ISDIR(entry->inode->attributes.mode))
            check_directory(entry->inode, depth + 1);
    }
    HOLDS(count == inode->directory.count);
}

static void check_tree(const struct tree *tree)
{
    for (struct tree_inode *inode = tree->all; inode; inode = inode->next)
        inode->number = 0;
    tree->root->number = 1;
    check_directory(tree->root, 0);
    for (const struct tree_inode *inode = tree->all; inode; inode = inode->next) {
        HOLDS(inode->number == inode->links);
        HOLDS(!S_ISDIR(inode->attributes.mode) || inode->links <= 1);
        HOLDS(S_ISLNK(inode->attributes.mode) == (inode->target != NULL) || inode->links == 0);
    }
}

/* ---- one input ---- */

struct passes {
    struct tree tree;
    struct layer_rules rules;
    struct layer_plan plan;
    struct layer_counts counts;
    struct stream_input input;
    uint64_t unpacked_left;
    struct progress progress;
};

enum pass { SCAN, SCAN_LAST, WRITE };

static int run(struct passes *passes, enum pass pass, struct squashfs_image *squashfs)
{
    struct pe_error err = {0};
    passes->unpacked_left = BYTES;
    pe_autostream struct stream *stream =
        stream_open(&passes->input, &passes->unpacked_left, &passes->progress, &err);
    if (!stream)
        return -1;
    passes->rules.squashfs = pass == SCAN_LAST ? squashfs : NULL;
    int failed = pass == WRITE ? layer_write(stream, "layer", &passes->plan, squashfs, &passes->counts, &err)
                               : layer_scan(stream, "layer", &passes->tree, &passes->rules, &passes->plan,
                                            &passes->counts, &err);
    HOLDS(!failed || err.kind);
    return failed;
}

static void check(struct passes *passes)
{
    struct squashfs_image squashfs = {.is_open = false};
    struct layer_plan none = {.count = 0};
    int failed = run(passes, SCAN, &squashfs);
    HOLDS(passes->plan.count <= MEMBERS);
    check_tree(&passes->tree);
    if (failed)
        return;
    struct layer_plan first = passes->plan;
    passes->plan = none;
    passes->tree.layer = 1;
    failed = run(passes, SCAN_LAST, &squashfs);
    HOLDS(passes->counts.bytes <= 2 * BYTES && (failed || !squashfs.is_open));
    check_tree(&passes->tree);
    layer_plan_free(&passes->plan);
    passes->plan = first;
    squashfs.is_open = false;
    HOLDS(failed || run(passes, WRITE, &squashfs) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_cursor rest = {.at = bytes, .left = size};
    uint8_t options = fuzz_byte(&rest);
    struct pe_error err;
    pe_autoclose int fd = fuzz_file(rest.at, rest.left);
    struct passes passes = {
        .rules = {.whiteouts = options & 1,
                  .keep_devices = options & 2,
                  .bytes_left = BYTES,
                  .members_left = MEMBERS,
                  .metadata_left = METADATA},
        .input = {
            .fd = fd, .name = "layer", .size = rest.left + (options & 4 ? 1 : 0), .any_filter = options & 8}};
    progress_init(&passes.progress, true);
    HOLDS(tree_init(&passes.tree, &err) == 0);
    check(&passes);
    layer_plan_free(&passes.plan);
    tree_free(&passes.tree);
    return 0;
}
