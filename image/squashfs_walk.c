/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the directories of a squashfs image into a tree. A directory may have one name only, as in
 * every file system of Linux, so the walk ends: it reads no directory twice. */
#include "base/cleanup.h"
#include "image/squashfs_error.h"
#include "image/squashfs_reader_internal.h"
#include "proto/path.h"

#include <limits.h>
#include <sqfs/dir.h>
#include <sqfs/error.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What is known of an inode number. */
struct known_inode {
    struct tree_inode *inode; /* NULL: not seen yet */
    uint64_t reference;       /* where it is in the image */
};

struct walk {
    struct squashfs_reader *reader;
    struct tree *tree;
    struct squashfs_limits *limits;
    struct known_inode *known; /* by inode number; owned */
    char path[PATH_MAX];       /* of what is being read; for messages and for the limit of its length */
};

static void free_walk(struct walk *walk)
{
    free(walk->known);
}

static void clear_inode(struct squashfs_inode *inode)
{
    squashfs_inode_clear(inode);
}
#define autoinode __attribute__((cleanup(clear_inode)))

static int reject(const struct walk *walk, const char *why, struct pe_error *err)
{
    char shown[256], text[384];
    snprintf(text, sizeof text, "has '/%s', which %s",
             pe_path_printable(walk->path, strlen(walk->path), shown, sizeof shown), why);
    return squashfs_reject(walk->reader->path, text, err);
}

/* ---- one inode ---- */

static int attributes_of(const struct walk *walk, const struct squashfs_inode *from,
                         struct tree_attributes *attributes, struct pe_error *err)
{
    *attributes = (struct tree_attributes){
        .mode = from->base.mode, .mtime = from->base.mod_time, .device = from->device};
    int code = sqfs_id_table_index_to_id(walk->reader->ids, from->base.uid_idx, &attributes->uid);
    if (code == 0)
        code = sqfs_id_table_index_to_id(walk->reader->ids, from->base.gid_idx, &attributes->gid);
    return code == 0 ? 0 : reject(walk, "has an owner that is not in the table of owners", err);
}

/* Move what `from` has besides attributes to the new inode. */
static int fill_inode(struct walk *walk, struct squashfs_inode *from, uint64_t reference,
                      struct tree_inode *inode, struct pe_error *err)
{
    walk->known[from->base.inode_number] = (struct known_inode){.inode = inode, .reference = reference};
    free(inode->target);
    inode->target = pe_steal_ptr(&from->target);
    inode->content = pe_steal_ptr(&from->content);
    return squashfs_xattrs_read(walk->reader, from->xattrs, walk->limits, inode, err);
}

/* Add a further name of an inode that has been read before. */
static int add_link(struct walk *walk, const struct squashfs_inode *from, uint64_t reference,
                    struct tree_inode *directory, const char *name, struct pe_error *err)
{
    const struct known_inode *known = &walk->known[from->base.inode_number];
    if (S_ISDIR(from->base.mode))
        return reject(walk, "is a directory with a second name, or inside itself", err);
    if (known->reference != reference)
        return reject(walk, "has the inode number of another file", err);
    return tree_link_child(walk->tree, directory, name, known->inode, err);
}

/* ---- directories ---- */

static int read_listing(struct walk *walk, const struct squashfs_inode *from, struct tree_inode *directory,
                        struct pe_error *err);

static int add_child(struct walk *walk, struct squashfs_inode *from, uint64_t reference,
                     struct tree_inode *directory, const char *name, struct pe_error *err)
{
    struct tree_attributes attributes;
    struct tree_inode *inode = NULL;
    if (tree_child(directory, name))
        return reject(walk, "is there twice", err);
    if (walk->known[from->base.inode_number].inode)
        return add_link(walk, from, reference, directory, name, err);
    if (attributes_of(walk, from, &attributes, err) < 0 ||
        tree_add_child(walk->tree, directory, name, &attributes, &inode, err) < 0 ||
        fill_inode(walk, from, reference, inode, err) < 0)
        return -1;
    return S_ISDIR(attributes.mode) ? read_listing(walk, from, inode, err) : 0;
}

static int consume_name(struct walk *walk, size_t bytes, struct pe_error *err)
{
    if (walk->limits->names_left == 0)
        return pe_fail(err, PE_ERR_TOO_LARGE, "%s: there are more than %u files and directories",
                       walk->reader->path, SQUASHFS_NAMES_MAX);
    walk->limits->names_left--;
    return squashfs_consume_metadata(walk->reader, walk->limits, bytes, err);
}

/* Check the name of an entry, and append it to the path. */
static int enter(struct walk *walk, const sqfs_dir_entry_t *entry, struct pe_error *err)
{
    const char *name = (const char *)entry->name;
    size_t size = entry->size + 1u, length = strlen(walk->path);
    if (strlen(name) != size || size > PE_PATH_COMPONENT_MAX || strchr(name, '/') || !strcmp(name, ".") ||
        !strcmp(name, ".."))
        return reject(walk, "has an entry without a possible name", err);
    if (length + 1 + size >= sizeof walk->path)
        return reject(walk, "has an entry with a path of more than 4095 bytes", err);
    snprintf(walk->path + length, sizeof walk->path - length, "%s%s", length ? "/" : "", name);
    return consume_name(walk, size, err);
}

static int read_entry(struct walk *walk, const sqfs_dir_entry_t *entry, uint64_t reference,
                      struct tree_inode *directory, struct pe_error *err)
{
    size_t length = strlen(walk->path);
    autoinode struct squashfs_inode inode = {0};
    if (enter(walk, entry, err) < 0 ||
        squashfs_inode_read(walk->reader, reference, walk->limits, &inode, err) < 0)
        return -1;
    if (inode.base.type != entry->type)
        return reject(walk, "is of another type than its directory says", err);
    if (add_child(walk, &inode, reference, directory, (const char *)entry->name, err) < 0)
        return -1;
    walk->path[length] = '\0';
    return 0;
}

static int begin_listing(const struct walk *walk, const struct squashfs_inode *from,
                         sqfs_readdir_state_t *state, struct pe_error *err)
{
    const sqfs_inode_generic_t node = {.base.type = SQFS_INODE_EXT_DIR,
                                       .data.dir_ext = {.size = from->listing.size,
                                                        .start_block = from->listing.block,
                                                        .offset = from->listing.offset}};
    int code = sqfs_readdir_state_init(state, &walk->reader->super, &node);
    return code == 0 ? 0 : squashfs_fail(walk->reader->path, code, "read a directory", err);
}

static int read_listing(struct walk *walk, const struct squashfs_inode *from, struct tree_inode *directory,
                        struct pe_error *err)
{
    sqfs_readdir_state_t state;
    if (begin_listing(walk, from, &state, err) < 0)
        return -1;
    for (;;) {
        sqfs_u64 reference = 0;
        sqfs_dir_entry_t *entry = NULL;
        int code = sqfs_meta_reader_readdir(walk->reader->listings, &state, &entry, NULL, &reference);
        if (code > 0)
            return 0;
        if (code < 0)
            return squashfs_fail(walk->reader->path, code, "read a directory", err);
        int failed = read_entry(walk, entry, reference, directory, err);
        sqfs_free(entry);
        if (failed)
            return -1;
    }
}

/* ---- where the walk begins ---- */

/* Find the directory `name` of the root. */
static int find_start(struct walk *walk, const struct squashfs_inode *root, const char *name,
                      uint64_t *reference, struct pe_error *err)
{
    sqfs_readdir_state_t state;
    if (begin_listing(walk, root, &state, err) < 0)
        return -1;
    for (;;) {
        sqfs_dir_entry_t *entry = NULL;
        int code = sqfs_meta_reader_readdir(walk->reader->listings, &state, &entry, NULL, reference);
        if (code < 0)
            return squashfs_fail(walk->reader->path, code, "read the root directory", err);
        if (code > 0)
            return pe_fail(err, PE_ERR_MALFORMED, "%s has no directory '%s'", walk->reader->path, name);
        bool found = strlen(name) == entry->size + 1u && !memcmp(entry->name, name, entry->size + 1u);
        sqfs_free(entry);
        if (found)
            return 0;
    }
}

/* Read the inode with which the walk begins. */
static int read_start(struct walk *walk, const char *from, uint64_t *reference, struct squashfs_inode *inode,
                      struct pe_error *err)
{
    autoinode struct squashfs_inode root = {0};
    *reference = walk->reader->super.root_inode_ref;
    if (squashfs_inode_read(walk->reader, *reference, walk->limits, &root, err) < 0)
        return -1;
    if (*from && S_ISDIR(root.base.mode)) {
        if (find_start(walk, &root, from, reference, err) < 0 ||
            squashfs_inode_read(walk->reader, *reference, walk->limits, inode, err) < 0)
            return -1;
    } else {
        *inode = root;
        root = (struct squashfs_inode){0};
    }
    return S_ISDIR(inode->base.mode) ? 0 : squashfs_reject(walk->reader->path, "has no root directory", err);
}

/* The directory of the tree that gets what is read. NULL on failure. */
static struct tree_inode *make_target(struct walk *walk, const char *to, const struct squashfs_inode *inode,
                                      struct pe_error *err)
{
    struct tree_attributes attributes;
    struct tree_inode *directory = NULL;
    if (*to && tree_find(walk->tree, to)) {
        pe_fail(err, PE_ERR_INVALID, "%s cannot be added: there is already something at /%s",
                walk->reader->path, to);
        return NULL;
    }
    return attributes_of(walk, inode, &attributes, err) < 0 ||
                   tree_add(walk->tree, to, &attributes, &directory, err) < 0
               ? NULL
               : directory;
}

int squashfs_reader_read_tree(struct squashfs_reader *reader, const char *from, struct tree *tree,
                              const char *to, struct squashfs_limits *limits, struct pe_error *err)
{
    uint64_t reference = 0;
    autoinode struct squashfs_inode start = {0};
    __attribute__((cleanup(free_walk))) struct walk walk = {
        .reader = reader,
        .tree = tree,
        .limits = limits,
        .known = calloc((size_t)reader->super.inode_count + 1, sizeof *walk.known)};
    if (!walk.known)
        return pe_fail_errno(err, "%s: out of memory for %u inodes", reader->path, reader->super.inode_count);
    snprintf(walk.path, sizeof walk.path, "%s", to);
    if (read_start(&walk, from, &reference, &start, err) < 0)
        return -1;
    struct tree_inode *directory = make_target(&walk, to, &start, err);
    return !directory || fill_inode(&walk, &start, reference, directory, err) < 0
               ? -1
               : read_listing(&walk, &start, directory, err);
}
