/* SPDX-License-Identifier: Apache-2.0 */
/* For every fuzzer: the function that libFuzzer calls, a check that no build option removes, and
 * ways to give the code under test its input as a text, a file or a socket. */
#ifndef PE_FUZZ_H
#define PE_FUZZ_H

#include "base/buffer.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Run the code under test on one input. Called by libFuzzer; always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define HOLDS(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

/* A copy of the bytes with a NUL behind it, in memory of its own: ASan sees a byte read too many. The
 * caller frees it. */
static inline char *fuzz_text(const void *bytes, size_t size)
{
    char *text = malloc(size + 1);
    HOLDS(text);
    if (size)
        memcpy(text, bytes, size);
    text[size] = '\0';
    return text;
}

/* Whether a byte of a text belongs to a control character: U+0000 to U+001F, U+007F, or U+0080 to U+009F in
 * UTF-8. */
static inline bool fuzz_is_control(const uint8_t *text, size_t size, size_t at)
{
    bool second = at > 0 && text[at - 1] == 0xc2 && text[at] >= 0x80 && text[at] <= 0x9f;
    bool first = text[at] == 0xc2 && at + 1 < size && text[at + 1] >= 0x80 && text[at + 1] <= 0x9f;
    return text[at] < 0x20 || text[at] == 0x7f || first || second;
}

/* A text has no control characters. */
static inline void fuzz_check_printable(const char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++)
        HOLDS(!fuzz_is_control((const uint8_t *)text, size, i));
}

/* Take the next line, or what is left, as such a text. The caller frees it. */
static inline char *fuzz_line(struct pe_cursor *rest)
{
    size_t size = 0;
    const uint8_t *line = pe_cursor_read_until(rest, '\n', &size);
    if (!line) {
        size = rest->left;
        line = pe_cursor_read(rest, size);
    }
    return fuzz_text(line, size);
}

/* Take one byte; 0 if there is none. */
static inline uint8_t fuzz_byte(struct pe_cursor *rest)
{
    const uint8_t *byte = pe_cursor_read(rest, 1);
    return byte ? *byte : 0;
}

/* A file in memory with these bytes. The caller closes it. */
static inline int fuzz_file(const void *bytes, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    HOLDS(fd >= 0 && pwrite(fd, bytes, size, 0) == (ssize_t)size);
    return fd;
}

/* A nonblocking socket from which these bytes can be read, and then the end of the connection. What is
 * written to it is kept in `*other`, the other end, or lost if `other` is NULL. The caller closes both. */
static inline int fuzz_socket(const void *bytes, size_t size, int *other)
{
    int pair[2];
    HOLDS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    HOLDS(write(pair[1], bytes, size) == (ssize_t)size && shutdown(pair[1], SHUT_WR) == 0);
    if (other)
        *other = pair[1];
    else
        close(pair[1]);
    return pair[0];
}

#endif
