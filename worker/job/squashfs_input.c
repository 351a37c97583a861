/* SPDX-License-Identifier: Apache-2.0 */
/* Inodes, directories and superblock of the input device. The file data are written before, in
 * worker/job/input.c. pe-image writes images with compression instead (image/squashfs_image.c). */
#include "worker/job/squashfs_input.h"

#include "base/cleanup.h"

#include <sqfs/block.h>
#include <sqfs/compressor.h>
#include <sqfs/dir_writer.h>
#include <sqfs/error.h>
#include <sqfs/id_table.h>
#include <sqfs/inode.h>
#include <sqfs/io.h>
#include <sqfs/meta_writer.h>
#include <sqfs/super.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK_SIZE 131072u
#define BLOCK_UNCOMPRESSED (1u << 24)
#define NO_FRAGMENT 0xFFFFFFFFu

/* ---- libsquashfs in memory: its file is a byte range, and its compressor does not compress ----
 */

struct memory_file {
    sqfs_file_t base;
    uint8_t *bytes;
    size_t capacity, size;
};

static int memory_read_at(sqfs_file_t *file, sqfs_u64 offset, void *buffer, size_t size)
{
    const struct memory_file *memory = (const struct memory_file *)file;
    if (offset > memory->size || size > memory->size - offset)
        return SQFS_ERROR_OUT_OF_BOUNDS;
    memcpy(buffer, memory->bytes + offset, size);
    return 0;
}

static int memory_write_at(sqfs_file_t *file, sqfs_u64 offset, const void *buffer, size_t size)
{
    struct memory_file *memory = (struct memory_file *)file;
    if (offset > memory->capacity || size > memory->capacity - offset)
        return SQFS_ERROR_OUT_OF_BOUNDS;
    memcpy(memory->bytes + offset, buffer, size);
    if (offset + size > memory->size)
        memory->size = (size_t)offset + size;
    return 0;
}

static sqfs_u64 memory_get_size(const sqfs_file_t *file)
{
    return ((const struct memory_file *)file)->size;
}

static int memory_truncate(sqfs_file_t *file, sqfs_u64 size)
{
    struct memory_file *memory = (struct memory_file *)file;
    if (size > memory->capacity)
        return SQFS_ERROR_OUT_OF_BOUNDS;
    memory->size = (size_t)size;
    return 0;
}

static void store_get_configuration(const sqfs_compressor_t *cmp, sqfs_compressor_config_t *config)
{
    (void)cmp;
    *config = (sqfs_compressor_config_t){.id = SQFS_COMP_GZIP, .block_size = BLOCK_SIZE, .level = 1};
}

static int store_options(sqfs_compressor_t *cmp, sqfs_file_t *file)
{
    (void)cmp, (void)file;
    return 0;
}

/* 0 means that the block does not get smaller; libsquashfs then stores it as it is. */
static sqfs_s32 store_do_block(sqfs_compressor_t *cmp, const sqfs_u8 *in, sqfs_u32 size, sqfs_u8 *out,
                               sqfs_u32 outsize)
{
    (void)cmp, (void)in, (void)size, (void)out, (void)outsize;
    return 0;
}

static void keep(sqfs_object_t *object)
{
    (void)object;
}

/* ---- the writer ---- */

struct writer {
    struct memory_file file;
    sqfs_compressor_t store;
    sqfs_super_t super;
    sqfs_id_table_t *ids;
    sqfs_meta_writer_t *inodes, *directories;
    sqfs_dir_writer_t *dir;
    const struct squashfs_input_attributes *attributes;
    uint32_t inode_count;
};

/* One entry of the directory being collected. */
struct entry {
    char name[256];
    uint32_t inode_number;
    uint64_t inode_ref;
    uint16_t mode;
};

struct entries {
    struct entry *items; /* owned */
    size_t count, capacity;
};

static int sqfs_fail(int code, const char *what, struct pe_error *err)
{
    if (code == SQFS_ERROR_OUT_OF_BOUNDS)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the input does not fit into its device: %s", what);
    return pe_fail(err, PE_ERR_INTERNAL, "libsquashfs: %s (error %d)", what, code);
}

static int write_inode(struct writer *w, sqfs_inode_generic_t *inode, uint16_t mode, uint32_t number,
                       uint64_t *ref, struct pe_error *err)
{
    sqfs_u64 block = 0;
    sqfs_u32 offset = 0;
    sqfs_meta_writer_get_position(w->inodes, &block, &offset);
    *ref = block << 16 | offset;
    inode->base.mode = mode;
    inode->base.mod_time = w->attributes->mtime;
    inode->base.inode_number = number;
    int code = sqfs_id_table_id_to_index(w->ids, w->attributes->uid, &inode->base.uid_idx);
    if (code == 0)
        code = sqfs_id_table_id_to_index(w->ids, w->attributes->gid, &inode->base.gid_idx);
    if (code == 0)
        code = sqfs_meta_writer_write_inode(w->inodes, inode);
    return code ? sqfs_fail(code, "writing an inode", err) : 0;
}

static int write_file(struct writer *w, const struct squashfs_input_file *file, struct entry *entry,
                      struct pe_error *err)
{
    size_t blocks = (size_t)((file->size + BLOCK_SIZE - 1) / BLOCK_SIZE);
    pe_autofree sqfs_inode_generic_t *inode = calloc(1, sizeof *inode + blocks * sizeof(sqfs_u32));
    if (!inode)
        return pe_fail_errno(err, "inode of %s", file->path);
    inode->base.type = SQFS_INODE_FILE;
    inode->payload_bytes_available = inode->payload_bytes_used = (sqfs_u32)(blocks * sizeof(sqfs_u32));
    inode->data.file.blocks_start = (sqfs_u32)file->offset;
    inode->data.file.file_size = (sqfs_u32)file->size;
    inode->data.file.fragment_index = NO_FRAGMENT;
    for (size_t i = 0; i < blocks; i++) {
        uint64_t left = file->size - (uint64_t)i * BLOCK_SIZE;
        inode->extra[i] = (sqfs_u32)(left < BLOCK_SIZE ? left : BLOCK_SIZE) | BLOCK_UNCOMPRESSED;
    }
    entry->inode_number = ++w->inode_count;
    entry->mode = (uint16_t)(S_IFREG | (file->mode & 0777));
    return write_inode(w, inode, entry->mode, entry->inode_number, &entry->inode_ref, err);
}

static struct entry *entries_add(struct entries *entries, const char *name, size_t length,
                                 struct pe_error *err)
{
    if (entries->count == entries->capacity) {
        size_t capacity = entries->capacity ? entries->capacity * 2 : 16;
        struct entry *items = realloc(entries->items, capacity * sizeof *items);
        if (!items) {
            pe_fail_errno(err, "directory of %zu entries", capacity);
            return NULL;
        }
        entries->items = items;
        entries->capacity = capacity;
    }
    struct entry *entry = &entries->items[entries->count++];
    *entry = (struct entry){0};
    memcpy(entry->name, name, length); /* components are at most 255 bytes: proto/path.h */
    return entry;
}

static void entries_free(struct entries *entries)
{
    free(entries->items);
}

static int write_directory(struct writer *w, const struct entries *entries, uint32_t parent,
                           struct entry *self, struct pe_error *err)
{
    size_t subdirectories = 0;
    int code = sqfs_dir_writer_begin(w->dir, 0);
    for (size_t i = 0; i < entries->count && code == 0; i++) {
        const struct entry *entry = &entries->items[i];
        subdirectories += S_ISDIR(entry->mode);
        code = sqfs_dir_writer_add_entry(w->dir, entry->name, entry->inode_number, entry->inode_ref,
                                         entry->mode);
    }
    if (code == 0)
        code = sqfs_dir_writer_end(w->dir);
    if (code)
        return sqfs_fail(code, "cannot write a directory", err);
    sqfs_inode_generic_t *inode =
        sqfs_dir_writer_create_inode(w->dir, 2 + subdirectories, 0xFFFFFFFF, parent);
    if (!inode)
        return pe_fail_errno(err, "out of memory for the inode of a directory");
    /* Large directories have no index, which would have to follow the extended inode. Readers do
     * not need it.
     */
    if (inode->base.type == SQFS_INODE_EXT_DIR)
        inode->data.dir_ext.inodex_count = 0;
    self->mode = S_IFDIR | 0755;
    int failed = write_inode(w, inode, self->mode, self->inode_number, &self->inode_ref, err);
    sqfs_free(inode);
    return failed;
}

/* The files of one directory and those below it. Their paths have the first `prefix` bytes in
 * common. */
struct range {
    struct squashfs_input_file *files;
    size_t count;
    size_t prefix;
};

static int write_tree(struct writer *w, struct range range, uint32_t parent, struct entry *self,
                      struct pe_error *err);

/* How many files at the head of the range share the next component of their paths, which has
 * `length` bytes.
 */
static size_t group_size(const struct range *range, size_t length)
{
    const char *name = range->files[0].path + range->prefix;
    size_t n = 1;
    for (; n < range->count; n++) {
        const char *other = range->files[n].path + range->prefix;
        if (strncmp(name, other, length) != 0 || (other[length] != '/' && other[length] != '\0'))
            break;
    }
    return n;
}

static int write_group(struct writer *w, struct range group, size_t length, struct entries *entries,
                       uint32_t self_number, struct pe_error *err)
{
    const struct squashfs_input_file *first = &group.files[0];
    struct entry *entry = entries_add(entries, first->path + group.prefix, length, err);
    if (!entry)
        return -1;
    if (first->path[group.prefix + length] == '\0') {
        if (group.count > 1)
            return pe_fail(err, PE_ERR_INVALID,
                           "the file name '%s' occurs twice, or is both a file and a directory", first->path);
        return write_file(w, first, entry, err);
    }
    struct range below = {group.files, group.count, group.prefix + length + 1};
    /* `entry` stays valid: the recursion adds to a list of its own. */
    return write_tree(w, below, self_number, entry, err);
}

static int write_tree(struct writer *w, struct range range, uint32_t parent, struct entry *self,
                      struct pe_error *err)
{
    __attribute__((cleanup(entries_free))) struct entries entries = {0};
    self->inode_number = ++w->inode_count;
    while (range.count &&
           range.files[0].path[range.prefix] == '\0') { /* the entry of the directory itself, as in "dir/" */
        range.files++;
        range.count--;
    }
    while (range.count) {
        size_t length = strcspn(range.files[0].path + range.prefix, "/");
        size_t n = group_size(&range, length);
        struct range group = {range.files, n, range.prefix};
        if (write_group(w, group, length, &entries, self->inode_number, err) < 0)
            return -1;
        range.files += n;
        range.count -= n;
    }
    return write_directory(w, &entries, parent, self, err);
}

/* Order paths with '/' before all other bytes. Then the files of a directory are neighbours, and
 * names within a directory are in the order of strcmp. */
static int compare_paths(const void *a, const void *b)
{
    const unsigned char *x = (const unsigned char *)((const struct squashfs_input_file *)a)->path;
    const unsigned char *y = (const unsigned char *)((const struct squashfs_input_file *)b)->path;
    while (*x && *x == *y)
        x++, y++;
    int left = *x == '/' ? 1 : *x ? *x + 1 : 0;
    int right = *y == '/' ? 1 : *y ? *y + 1 : 0;
    return left - right;
}

static int writer_open(struct writer *w, struct pe_error *err)
{
    if (sqfs_super_init(&w->super, BLOCK_SIZE, w->attributes->mtime, SQFS_COMP_GZIP))
        return pe_fail(err, PE_ERR_INTERNAL, "libsquashfs cannot initialise the superblock");
    w->ids = sqfs_id_table_create(0);
    w->inodes = sqfs_meta_writer_create(&w->file.base, &w->store, 0);
    w->directories = sqfs_meta_writer_create(&w->file.base, &w->store, SQFS_META_WRITER_KEEP_IN_MEMORY);
    w->dir = w->directories ? sqfs_dir_writer_create(w->directories, 0) : NULL;
    if (!w->ids || !w->inodes || !w->dir)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the input of a job");
    return 0;
}

static void writer_close(struct writer *w)
{
    sqfs_destroy(w->dir);
    sqfs_destroy(w->directories);
    sqfs_destroy(w->inodes);
    sqfs_destroy(w->ids);
}

/* Write the tables in the order of the format: inodes, directories, ids; then the superblock. */
static int write_tables(struct writer *w, struct pe_error *err)
{
    int code = sqfs_meta_writer_flush(w->inodes);
    if (code == 0)
        code = sqfs_meta_writer_flush(w->directories);
    w->super.directory_table_start = w->file.size;
    if (code == 0)
        code = sqfs_meta_write_write_to_file(w->directories);
    if (code == 0)
        code = sqfs_id_table_write(w->ids, &w->file.base, &w->super, &w->store);
    if (code)
        return sqfs_fail(code, "cannot write the tables", err);
    w->super.inode_count = w->inode_count;
    w->super.flags |= SQFS_FLAG_NO_FRAGMENTS | SQFS_FLAG_NO_XATTRS | SQFS_FLAG_UNCOMPRESSED_INODES |
                      SQFS_FLAG_UNCOMPRESSED_DATA | SQFS_FLAG_UNCOMPRESSED_IDS;
    w->super.bytes_used = w->file.size;
    code = sqfs_super_write(&w->super, &w->file.base);
    return code ? sqfs_fail(code, "cannot write the superblock", err) : 0;
}

int squashfs_input_write(uint8_t *bytes, size_t capacity, uint64_t data_end,
                         struct squashfs_input_file *files, size_t count,
                         const struct squashfs_input_attributes *attributes, struct pe_error *err)
{
    __attribute__((cleanup(writer_close))) struct writer w = {
        .file = {.base = {.base = {.destroy = keep},
                          .read_at = memory_read_at,
                          .write_at = memory_write_at,
                          .get_size = memory_get_size,
                          .truncate = memory_truncate},
                 .bytes = bytes,
                 .capacity = capacity,
                 .size = (size_t)data_end},
        .store = {.base = {.destroy = keep},
                  .get_configuration = store_get_configuration,
                  .write_options = store_options,
                  .read_options = store_options,
                  .do_block = store_do_block},
        .attributes = attributes,
    };
    if (writer_open(&w, err) < 0)
        return -1;
    qsort(files, count, sizeof *files, compare_paths);
    w.super.inode_table_start = data_end;
    struct entry root = {0};
    struct range all = {files, count, 0};
    if (write_tree(&w, all, 0, &root, err) < 0)
        return -1;
    w.super.root_inode_ref = root.inode_ref;
    return write_tables(&w, err);
}
