/* SPDX-License-Identifier: Apache-2.0 */
/* Which compressions of a tar are read. Filters are listed one by one, because "all" would include
 * filters that start other programs. */
#include "image/packed_tar.h"

#include "base/cleanup.h"

#include <archive.h>
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
    return pe_steal_ptr(&archive);
}
