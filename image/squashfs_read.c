/* Reading squashfs, by libsquashfs. */
#include "image/squashfs_read.h"

#include "base/cleanup.h"
#include "image/squashfs_internal.h"

#include <limits.h>
#include <sqfs/data_reader.h>
#include <sqfs/dir_reader.h>
#include <sqfs/error.h>
#include <sqfs/inode.h>
#include <sqfs/xattr.h>
#include <sqfs/xattr_reader.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 2048u

struct unsquash {
    char *path;
    sqfs_file_t *file;
    sqfs_super_t super;
    sqfs_compressor_t *decompressor;
    sqfs_id_table_t *ids;
    sqfs_dir_reader_t *directories;
    sqfs_data_reader_t *data;
    sqfs_xattr_reader_t *xattrs; /* NULL: the image has none */
};

static int fail(const struct unsquash *image, int code, const char *what, struct pe_error *err)
{
    return pe_fail(err, PE_ERR_MALFORMED, "%s: %s failed (%d): is it damaged?", image->path, what, code);
}

void unsquash_close(struct unsquash *image)
{
    if (!image)
        return;
    sqfs_destroy(image->xattrs);
    sqfs_destroy(image->data);
    sqfs_destroy(image->directories);
    sqfs_destroy(image->ids);
    sqfs_destroy(image->decompressor);
    sqfs_destroy(image->file);
    free(image->path);
    free(image);
}

static int read_tables(struct unsquash *image, struct pe_error *err)
{
    int code = sqfs_id_table_read(image->ids, image->file, &image->super, image->decompressor);
    if (code == 0)
        code = sqfs_data_reader_load_fragment_table(image->data, &image->super);
    if (code == 0 && !(image->super.flags & SQFS_FLAG_NO_XATTRS)) {
        image->xattrs = sqfs_xattr_reader_create(0);
        code = image->xattrs
                   ? sqfs_xattr_reader_load(image->xattrs, &image->super, image->file, image->decompressor)
                   : SQFS_ERROR_ALLOC;
    }
    return code == 0 ? 0 : fail(image, code, "reading the tables", err);
}

static int open_image(struct unsquash *image, struct pe_error *err)
{
    sqfs_compressor_config_t config;
    image->file = sqfs_open_file(image->path, SQFS_FILE_OPEN_READ_ONLY);
    if (!image->file)
        return pe_fail_errno(err, "opening %s", image->path);
    int code = sqfs_super_read(&image->super, image->file);
    if (code == 0)
        code = sqfs_compressor_config_init(&config, image->super.compression_id, image->super.block_size,
                                           SQFS_COMP_FLAG_UNCOMPRESS);
    if (code == 0)
        code = sqfs_compressor_create(&config, &image->decompressor);
    if (code != 0)
        return fail(image, code, "reading the superblock", err);
    image->ids = sqfs_id_table_create(0);
    image->directories = sqfs_dir_reader_create(&image->super, image->decompressor, image->file, 0);
    image->data = sqfs_data_reader_create(image->file, image->super.block_size, image->decompressor, 0);
    if (!image->ids || !image->directories || !image->data)
        return fail(image, SQFS_ERROR_ALLOC, "reading it", err);
    return read_tables(image, err);
}

struct unsquash *unsquash_open(const char *path, struct pe_error *err)
{
    pe_autounsquash struct unsquash *image = calloc(1, sizeof *image);
    if (!image || !(image->path = strdup(path))) {
        pe_fail_errno(err, "%s", path);
        return NULL;
    }
    return open_image(image, err) < 0 ? NULL : pe_steal_ptr(&image);
}

/* ---- the tree ---- */

struct walk {
    struct unsquash *image;
    struct tree *tree;
    struct tree_inode **known; /* by inode number, for hard links */
    char path[PATH_MAX];
    unsigned depth;
};

static int read_xattrs(struct walk *walk, const sqfs_inode_generic_t *node, struct tree_inode *inode,
                       struct pe_error *err)
{
    sqfs_u32 index = UINT32_MAX;
    sqfs_xattr_id_t set;
    sqfs_xattr_reader_t *reader = walk->image->xattrs;
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
    return code == 0 ? 0 : fail(walk->image, code, "reading extended attributes", err);
}

/* A copy of a file's inode, which says where its blocks are; its attributes' number means nothing elsewhere.
 */
static int copy_content(const sqfs_inode_generic_t *node, struct tree_inode *inode, struct pe_error *err)
{
    size_t size = sizeof *node + node->payload_bytes_available;
    inode->content = malloc(size);
    if (!inode->content)
        return pe_fail_errno(err, "file tree");
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
            return pe_fail_errno(err, "file tree");
    }
    if (S_ISREG(from->base.mode) && copy_content(from, inode, err) < 0)
        return -1;
    return read_xattrs(walk, from, inode, err);
}

static int put_node(struct walk *walk, const sqfs_tree_node_t *node, struct pe_error *err)
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
    if (number > walk->image->super.inode_count)
        return fail(walk->image, SQFS_ERROR_CORRUPTED, "reading an inode", err);
    if (!S_ISDIR(from->base.mode) && walk->known[number])
        return tree_link_inode(walk->tree, clean, walk->known[number], err);
    if (tree_put(walk->tree, clean, &attributes, &inode, err) < 0)
        return -1;
    walk->known[number] = inode;
    return fill_inode(walk, node, inode, err);
}

static int put_below(struct walk *walk, const sqfs_tree_node_t *directory, struct pe_error *err)
{
    size_t length = strlen(walk->path);
    if (++walk->depth > DEPTH_MAX)
        return fail(walk->image, SQFS_ERROR_CORRUPTED, "reading directories", err);
    for (const sqfs_tree_node_t *node = directory->children; node; node = node->next) {
        int n = snprintf(walk->path + length, sizeof walk->path - length, "%s%s", length ? "/" : "",
                         (const char *)node->name);
        if (n < 0 || (size_t)n >= sizeof walk->path - length || strchr((const char *)node->name, '/'))
            return fail(walk->image, SQFS_ERROR_CORRUPTED, "reading a name", err);
        if (put_node(walk, node, err) < 0 ||
            (S_ISDIR(node->inode->base.mode) && put_below(walk, node, err) < 0))
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

int unsquash_tree(struct unsquash *image, const char *from, struct tree *tree, const char *to,
                  struct pe_error *err)
{
    __attribute__((cleanup(free_hierarchy))) sqfs_tree_node_t *root = NULL;
    int code =
        sqfs_dir_reader_get_full_hierarchy(image->directories, image->ids, *from ? from : NULL, 0, &root);
    if (code != 0)
        return fail(image, code, "reading directories", err);
    struct walk walk = {.image = image, .tree = tree};
    walk.known = calloc((size_t)image->super.inode_count + 1, sizeof *walk.known);
    if (!walk.known)
        return pe_fail_errno(err, "%s: %u inodes", image->path, image->super.inode_count);
    snprintf(walk.path, sizeof walk.path, "%s", to);
    int failed = put_node(&walk, root, err) < 0 || put_below(&walk, root, err) < 0;
    free(walk.known);
    return failed ? -1 : 0;
}

/* ---- files ---- */

uint64_t unsquash_file_size(const struct tree_inode *inode)
{
    sqfs_u64 size = 0;
    return inode->content && sqfs_inode_get_file_size(inode->content, &size) == 0 ? size : 0;
}

int64_t unsquash_read(struct unsquash *image, const struct tree_inode *inode, uint64_t offset, void *bytes,
                      size_t size, struct pe_error *err)
{
    sqfs_s32 n = sqfs_data_reader_read(image->data, inode->content, offset, bytes,
                                       size > INT_MAX ? INT_MAX : (sqfs_u32)size);
    return n >= 0 ? n : fail(image, n, "reading a file", err);
}
