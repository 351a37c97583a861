/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a squashfs image with libsquashfs: its tree, and the contents of its files. */
#include "image/squashfs_reader.h"

#include "base/cleanup.h"
#include "image/squashfs_error.h"

#include <limits.h>
#include <sqfs/compressor.h>
#include <sqfs/data_reader.h>
#include <sqfs/dir_reader.h>
#include <sqfs/error.h>
#include <sqfs/id_table.h>
#include <sqfs/inode.h>
#include <sqfs/io.h>
#include <sqfs/super.h>
#include <sqfs/xattr.h>
#include <sqfs/xattr_reader.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 2048u

struct squashfs_reader {
    char *path;
    sqfs_file_t *file;
    sqfs_super_t super;
    sqfs_compressor_t *decompressor;
    sqfs_id_table_t *ids;
    sqfs_dir_reader_t *directories;
    sqfs_data_reader_t *data;
    sqfs_xattr_reader_t *xattrs; /* NULL when the image has none */
};

void squashfs_reader_close(struct squashfs_reader *reader)
{
    if (!reader)
        return;
    sqfs_destroy(reader->xattrs);
    sqfs_destroy(reader->data);
    sqfs_destroy(reader->directories);
    sqfs_destroy(reader->ids);
    sqfs_destroy(reader->decompressor);
    sqfs_destroy(reader->file);
    free(reader->path);
    free(reader);
}

static int read_tables(struct squashfs_reader *reader, struct pe_error *err)
{
    int code = sqfs_id_table_read(reader->ids, reader->file, &reader->super, reader->decompressor);
    if (code == 0)
        code = sqfs_data_reader_load_fragment_table(reader->data, &reader->super);
    if (code == 0 && !(reader->super.flags & SQFS_FLAG_NO_XATTRS)) {
        reader->xattrs = sqfs_xattr_reader_create(0);
        code = reader->xattrs ? sqfs_xattr_reader_load(reader->xattrs, &reader->super, reader->file,
                                                       reader->decompressor)
                              : SQFS_ERROR_ALLOC;
    }
    return code == 0 ? 0 : squashfs_fail(reader->path, code, "read the tables", err);
}

static int open_image(struct squashfs_reader *reader, struct pe_error *err)
{
    sqfs_compressor_config_t config;
    reader->file = sqfs_open_file(reader->path, SQFS_FILE_OPEN_READ_ONLY);
    if (!reader->file)
        return pe_fail_errno(err, "cannot open %s", reader->path);
    int code = sqfs_super_read(&reader->super, reader->file);
    if (code == 0)
        code = sqfs_compressor_config_init(&config, reader->super.compression_id, reader->super.block_size,
                                           SQFS_COMP_FLAG_UNCOMPRESS);
    if (code == 0)
        code = sqfs_compressor_create(&config, &reader->decompressor);
    if (code != 0)
        return squashfs_fail(reader->path, code, "read the superblock", err);
    reader->ids = sqfs_id_table_create(0);
    reader->directories = sqfs_dir_reader_create(&reader->super, reader->decompressor, reader->file, 0);
    reader->data = sqfs_data_reader_create(reader->file, reader->super.block_size, reader->decompressor, 0);
    if (!reader->ids || !reader->directories || !reader->data)
        return squashfs_fail(reader->path, SQFS_ERROR_ALLOC, "read it", err);
    return read_tables(reader, err);
}

struct squashfs_reader *squashfs_reader_open(const char *path, struct pe_error *err)
{
    pe_autosquashfsreader struct squashfs_reader *reader = calloc(1, sizeof *reader);
    if (!reader || !(reader->path = strdup(path))) {
        pe_fail_errno(err, "out of memory for %s", path);
        return NULL;
    }
    return open_image(reader, err) < 0 ? NULL : pe_steal_ptr(&reader);
}

/* ---- the tree ---- */

struct walk {
    struct squashfs_reader *reader;
    struct tree *tree;
    struct tree_inode **known; /* by inode number, to find hard links */
    char path[PATH_MAX];
    unsigned depth;
};

static int read_xattrs(struct walk *walk, const sqfs_inode_generic_t *node, struct tree_inode *inode,
                       struct pe_error *err)
{
    sqfs_u32 index = UINT32_MAX;
    sqfs_xattr_id_t set;
    sqfs_xattr_reader_t *reader = walk->reader->xattrs;
    if (!reader || sqfs_inode_get_xattr_index(node, &index) != 0 || index == UINT32_MAX)
        return 0;
    int code = sqfs_xattr_reader_get_desc(reader, index, &set);
    if (code == 0)
        code = sqfs_xattr_reader_seek_kv(reader, &set);
    for (sqfs_u32 i = 0; code == 0 && i < set.count; i++) {
        sqfs_xattr_entry_t *key = NULL;
        sqfs_xattr_value_t *value = NULL;
        code = sqfs_xattr_reader_read_key(reader, &key);
        if (code == 0)
            code = sqfs_xattr_reader_read_value(reader, key, &value);
        int failed =
            code == 0 ? tree_set_xattr(inode, (const char *)key->key, value->value, value->size, err) : 0;
        sqfs_free(key);
        sqfs_free(value);
        if (failed)
            return -1;
    }
    return code == 0 ? 0 : squashfs_fail(walk->reader->path, code, "read extended attributes", err);
}

/* Copy a file's inode, which says where its blocks are. The number of its attribute set is valid
 * only in this image and is cleared. */
static int copy_content(const sqfs_inode_generic_t *node, struct tree_inode *inode, struct pe_error *err)
{
    size_t size = sizeof *node + node->payload_bytes_available;
    inode->content = malloc(size);
    if (!inode->content)
        return pe_fail_errno(err, "out of memory for the file tree");
    memcpy(inode->content, node, size);
    (void)sqfs_inode_set_xattr_index(inode->content, UINT32_MAX);
    return 0;
}

static int fill_inode(struct walk *walk, const sqfs_tree_node_t *node, struct tree_inode *inode,
                      struct pe_error *err)
{
    const sqfs_inode_generic_t *from = node->inode;
    if (S_ISLNK(from->base.mode)) {
        free(inode->target);
        inode->target = strndup((const char *)from->extra, from->data.slink.target_size);
        if (!inode->target)
            return pe_fail_errno(err, "out of memory for the file tree");
    }
    if (S_ISREG(from->base.mode) && copy_content(from, inode, err) < 0)
        return -1;
    return read_xattrs(walk, from, inode, err);
}

static int add_node(struct walk *walk, const sqfs_tree_node_t *node, struct pe_error *err)
{
    const sqfs_inode_generic_t *from = node->inode;
    bool special = S_ISCHR(from->base.mode) || S_ISBLK(from->base.mode);
    const struct tree_attributes attributes = {.mode = from->base.mode,
                                               .uid = node->uid,
                                               .gid = node->gid,
                                               .mtime = from->base.mod_time,
                                               .device = special ? from->data.dev.devno : 0};
    sqfs_u32 number = from->base.inode_number;
    struct tree_inode *inode = NULL;
    char clean[PATH_MAX];
    if (tree_clean_path(walk->path, clean, err) < 0)
        return -1;
    if (number > walk->reader->super.inode_count)
        return squashfs_fail(walk->reader->path, SQFS_ERROR_CORRUPTED, "read an inode", err);
    if (!S_ISDIR(from->base.mode) && walk->known[number])
        return tree_link_inode(walk->tree, clean, walk->known[number], err);
    if (tree_add(walk->tree, clean, &attributes, &inode, err) < 0)
        return -1;
    walk->known[number] = inode;
    return fill_inode(walk, node, inode, err);
}

static int add_below(struct walk *walk, const sqfs_tree_node_t *directory, struct pe_error *err)
{
    size_t length = strlen(walk->path);
    if (++walk->depth > DEPTH_MAX)
        return squashfs_fail(walk->reader->path, SQFS_ERROR_CORRUPTED, "read directories", err);
    for (const sqfs_tree_node_t *node = directory->children; node; node = node->next) {
        int n = snprintf(walk->path + length, sizeof walk->path - length, "%s%s", length ? "/" : "",
                         (const char *)node->name);
        if (n < 0 || (size_t)n >= sizeof walk->path - length || strchr((const char *)node->name, '/'))
            return squashfs_fail(walk->reader->path, SQFS_ERROR_CORRUPTED, "read a name", err);
        if (add_node(walk, node, err) < 0 ||
            (S_ISDIR(node->inode->base.mode) && add_below(walk, node, err) < 0))
            return -1;
        walk->path[length] = '\0';
    }
    walk->depth--;
    return 0;
}

static void free_hierarchy(sqfs_tree_node_t **root)
{
    if (*root)
        sqfs_dir_tree_destroy(*root);
}

int squashfs_reader_read_tree(struct squashfs_reader *reader, const char *from, struct tree *tree,
                              const char *to, struct pe_error *err)
{
    __attribute__((cleanup(free_hierarchy))) sqfs_tree_node_t *root = NULL;
    int code =
        sqfs_dir_reader_get_full_hierarchy(reader->directories, reader->ids, *from ? from : NULL, 0, &root);
    if (code != 0)
        return squashfs_fail(reader->path, code, "read directories", err);
    struct walk walk = {.reader = reader, .tree = tree};
    walk.known = calloc((size_t)reader->super.inode_count + 1, sizeof *walk.known);
    if (!walk.known)
        return pe_fail_errno(err, "%s: out of memory for %u inodes", reader->path, reader->super.inode_count);
    snprintf(walk.path, sizeof walk.path, "%s", to);
    int failed = add_node(&walk, root, err) < 0 || add_below(&walk, root, err) < 0;
    free(walk.known);
    return failed ? -1 : 0;
}

/* ---- files ---- */

uint64_t squashfs_reader_file_size(const struct tree_inode *inode)
{
    sqfs_u64 size = 0;
    return inode->content && sqfs_inode_get_file_size(inode->content, &size) == 0 ? size : 0;
}

int64_t squashfs_reader_read_file(struct squashfs_reader *reader, const struct tree_inode *inode,
                                  uint64_t offset, void *bytes, size_t size, struct pe_error *err)
{
    sqfs_s32 n = sqfs_data_reader_read(reader->data, inode->content, offset, bytes,
                                       size > INT_MAX ? INT_MAX : (sqfs_u32)size);
    return n >= 0 ? n : squashfs_fail(reader->path, n, "read a file", err);
}
