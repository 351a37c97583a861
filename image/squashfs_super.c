/* SPDX-License-Identifier: Apache-2.0 */
/* The superblock of a squashfs image. What it says decides how much memory the tables take, so it is
 * checked before they are read. */
#include "image/squashfs_error.h"
#include "image/squashfs_reader_internal.h"

static int check_counts(const char *path, const sqfs_super_t *super, struct pe_error *err)
{
    if (super->inode_count > SQUASHFS_NAMES_MAX)
        return squashfs_reject(path, "says that it has more than 2,000,000 inodes", err);
    /* A fragment holds the end of at least one file. */
    if (!(super->flags & SQFS_FLAG_NO_FRAGMENTS) && super->fragment_entry_count > SQUASHFS_NAMES_MAX)
        return squashfs_reject(path, "says that it has more than 2,000,000 fragments", err);
    return 0;
}

static int check_positions(const char *path, const sqfs_super_t *super, uint64_t size, struct pe_error *err)
{
    if (super->bytes_used > size)
        return squashfs_reject(path, "is shorter than its superblock says", err);
    if (super->inode_table_start < sizeof *super ||
        super->directory_table_start <= super->inode_table_start ||
        super->id_table_start <= super->directory_table_start || super->id_table_start >= super->bytes_used)
        return squashfs_reject(path, "has its tables in an impossible order", err);
    return 0;
}

int squashfs_super_load(const char *path, sqfs_file_t *file, sqfs_super_t *super, struct pe_error *err)
{
    int code = sqfs_super_read(super, file);
    if (code != 0)
        return squashfs_fail(path, code, "read the superblock", err);
    return check_counts(path, super, err) < 0 ? -1 : check_positions(path, super, file->get_size(file), err);
}

sqfs_file_t *squashfs_super_open(const char *path, sqfs_super_t *super, struct pe_error *err)
{
    sqfs_file_t *file = sqfs_open_file(path, SQFS_FILE_OPEN_READ_ONLY);
    if (!file) {
        pe_fail_errno(err, "cannot open %s", path);
        return NULL;
    }
    if (squashfs_super_load(path, file, super, err) == 0)
        return file;
    sqfs_destroy(file);
    return NULL;
}
