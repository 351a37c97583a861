/* SPDX-License-Identifier: Apache-2.0 */
/* Creating and mapping memfds. The size is sealed, because a VMM that truncated the file would kill
 * the worker with SIGBUS. */
#include "worker/job/memfile.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int memfile_create(const char *name, size_t size, struct memfile *file, struct pe_error *err)
{
    *file = MEMFILE_NONE;
    file->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file->fd < 0)
        return pe_fail_errno(err, "cannot create the memfd %s", name);
    file->size = size;
    if (ftruncate(file->fd, (off_t)size) < 0 ||
        fcntl(file->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        pe_fail_errno(err, "cannot size the memfd %s to %zu bytes", name, size);
        memfile_close(file);
        return -1;
    }
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
    if (bytes == MAP_FAILED) {
        pe_fail_errno(err, "cannot map the memfd %s of %zu bytes", name, size);
        memfile_close(file);
        return -1;
    }
    file->bytes = bytes;
    return 0;
}

int memfile_copy_small(const struct memfile *file, size_t most, struct pe_buf *copy, struct pe_error *err)
{
    struct stat facts;
    if (fstat(file->fd, &facts) < 0)
        return pe_fail_errno(err, "cannot find out how much was written to a memfd");
    /* What was written from the first byte on cannot be longer than all pages together. */
    const uint64_t written = (uint64_t)facts.st_blocks * 512;
    if (written > most || written > file->size)
        return 0;
    return pe_buf_append(copy, file->bytes, (size_t)written, err) < 0 ? -1 : 1;
}

void memfile_close(struct memfile *file)
{
    if (file->bytes)
        munmap(file->bytes, file->size);
    if (file->fd >= 0)
        close(file->fd);
    *file = MEMFILE_NONE;
}
