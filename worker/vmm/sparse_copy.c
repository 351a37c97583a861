/* SPDX-License-Identifier: Apache-2.0 */
/* Copying the pieces of a file that are no holes. */
#include "worker/vmm/sparse_copy.h"

#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_at(int to, const uint8_t *bytes, size_t size, off_t at)
{
    while (size) {
        const ssize_t n = pwrite(to, bytes, size, at);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0) {
            bytes += n;
            size -= (size_t)n;
            at += n;
        }
    }
    return 0;
}

/* Copy the bytes from `at` to `end`. */
static int copy_piece(int from, int to, off_t at, off_t end)
{
    static uint8_t bytes[1 << 20];
    while (at < end) {
        const size_t most = end - at < (off_t)sizeof bytes ? (size_t)(end - at) : sizeof bytes;
        const ssize_t n = pread(from, bytes, most, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EIO; /* the file has become shorter */
        if (n <= 0 || write_at(to, bytes, (size_t)n, at) < 0)
            return -1;
        at += n;
    }
    return 0;
}

int sparse_copy_bytes(int from, int to, off_t size, const char *what, struct pe_error *err)
{
    for (off_t at = 0; at < size;) {
        const off_t begin = lseek(from, at, SEEK_DATA);
        if (begin < 0 && errno == ENXIO)
            break; /* only a hole is left */
        const off_t end = begin < 0 ? -1 : lseek(from, begin, SEEK_HOLE);
        if (end < 0 || copy_piece(from, to, begin, end < size ? end : size) < 0)
            return pe_fail_errno(err, "cannot copy %s", what);
        at = end;
    }
    return 0;
}

int sparse_copy(int from, int to, const char *what, struct pe_error *err)
{
    struct stat status;
    if (fstat(from, &status) < 0 || ftruncate(to, status.st_size) < 0)
        return pe_fail_errno(err, "cannot copy %s", what);
    return sparse_copy_bytes(from, to, status.st_size, what, err);
}
