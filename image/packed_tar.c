/* SPDX-License-Identifier: Apache-2.0 */
/* Which compressions of a tar are read. Filters are listed one by one, because "all" would include
 * filters that start other programs. */
#include "image/packed_tar.h"

#include "base/cleanup.h"

#include <archive.h>
#include <stdbool.h>
#include <unistd.h>

#define READ_BYTES 65536u

void packed_tar_cleanup(struct archive **archive)
{
    if (*archive)
        archive_read_free(*archive);
}

int packed_tar_fail(struct archive *archive, const char *name, struct pe_error *err)
{
    const char *why = archive_error_string(archive);
    return pe_fail(err, PE_ERR_MALFORMED, "%s: %s", name, why ? why : "not a tar archive");
}

int packed_tar_check_filters(struct archive *archive, const char *name, struct pe_error *err)
{
    /* libarchive counts the file itself as a filter that does nothing. */
    return archive_filter_count(archive) <= 2
               ? 0
               : pe_fail(err, PE_ERR_INVALID, "%s is compressed more than once (%s in %s); unpack it once",
                         name, archive_filter_name(archive, 0), archive_filter_name(archive, 1));
}

static int skip(struct archive *archive, const char *name, uint64_t bytes_max, struct pe_error *err)
{
    const void *bytes = NULL;
    size_t size = 0;
    la_int64_t offset = 0;
    int got = ARCHIVE_OK;
    /* What is not compressed is skipped by libarchive with lseek(2). */
    bool compressed = archive_filter_count(archive) > 1;
    while (compressed && (got == ARCHIVE_OK || got == ARCHIVE_WARN)) {
        if ((uint64_t)archive_filter_bytes(archive, 0) > bytes_max)
            return pe_fail(err, PE_ERR_TOO_LARGE,
                           "%s unpacks to more bytes than an image may have; --max-mib sets the limit", name);
        got = archive_read_data_block(archive, &bytes, &size, &offset);
    }
    return got == ARCHIVE_FATAL ? packed_tar_fail(archive, name, err) : 0;
}

int packed_tar_next(struct archive *archive, const char *name, uint64_t bytes_max,
                    struct archive_entry **entry, struct pe_error *err)
{
    if (*entry && skip(archive, name, bytes_max, err) < 0)
        return -1;
    int got = archive_read_next_header(archive, entry);
    if (got == ARCHIVE_EOF)
        return 0;
    return got == ARCHIVE_OK || got == ARCHIVE_WARN ? 1 : packed_tar_fail(archive, name, err);
}

struct archive *packed_tar_open(int fd, const char *name, struct pe_error *err)
{
    pe_autotar struct archive *archive = archive_read_new();
    if (!archive || lseek(fd, 0, SEEK_SET) < 0) {
        pe_fail_errno(err, "cannot read %s", name);
        return NULL;
    }
    int worst = archive_read_support_format_tar(archive);
    worst |= archive_read_support_format_empty(archive);
    worst |= archive_read_support_filter_gzip(archive);
    worst |= archive_read_support_filter_zstd(archive);
    worst |= archive_read_support_filter_bzip2(archive);
    worst |= archive_read_support_filter_xz(archive);
    worst |= archive_read_support_filter_lzma(archive);
    worst |= archive_read_support_filter_lz4(archive);
    worst |= archive_read_support_filter_compress(archive);
    if (worst != ARCHIVE_OK || archive_read_open_fd(archive, fd, READ_BYTES) != ARCHIVE_OK) {
        (void)packed_tar_fail(archive, name, err);
        return NULL;
    }
    if (packed_tar_check_filters(archive, name, err) < 0)
        return NULL;
    return pe_steal_ptr(&archive);
}
