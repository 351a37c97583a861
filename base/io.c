/* SPDX-License-Identifier: Apache-2.0 */
/* Blocking reads and writes on file descriptors, the clock and random bytes. */
#include "base/io.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

int pe_write_all(int fd, const void *bytes, size_t size, const char *name, struct pe_error *err)
{
    const uint8_t *at = bytes;
    while (size) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pe_fail_errno(err, "cannot write %s", name);
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

int pe_read_all(int fd, size_t limit, struct pe_buf *out, const char *name, struct pe_error *err)
{
    size_t start = out->size;
    for (;;) {
        if (pe_buf_reserve(out, 16384, err) < 0)
            return pe_fail_context(err, "cannot read %s", name);
        ssize_t n = read(fd, out->data + out->size, out->capacity - out->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pe_fail_errno(err, "cannot read %s", name);
        if (n == 0)
            return 0;
        out->size += (size_t)n;
        if (out->size - start > limit)
            return pe_fail(err, PE_ERR_TOO_LARGE, "cannot read %s: it has more than %zu bytes", name, limit);
    }
}

int pe_read_file(int at, const char *path, size_t limit, struct pe_buf *out, struct pe_error *err)
{
    pe_autoclose int fd = openat(at, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        pe_fail_errno(err, "cannot open %s", path);
        if (errno == ENOENT || errno == ENOTDIR)
            err->kind = PE_ERR_NOT_FOUND;
        return -1;
    }
    return pe_read_all(fd, limit, out, path, err);
}

uint64_t pe_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void pe_random(void *bytes, size_t size)
{
    uint8_t *at = bytes;
    while (size) {
        ssize_t n = getrandom(at, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            abort();
        at += n;
        size -= (size_t)n;
    }
}

void pe_random_hex(char *text, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = 0;
        pe_random(&byte, 1);
        *text++ = digits[byte >> 4];
        *text++ = digits[byte & 15];
    }
    *text = '\0';
}
