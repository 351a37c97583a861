/* SPDX-License-Identifier: Apache-2.0 */
/* One output stream of the program, read from a pipe and kept up to a limit. What can fail fails with
 * PE_ERR_INTERNAL: a call of the kernel, which the message names together with the stream, or memory. */
#ifndef PE_GUEST_INIT_CAPTURE_H
#define PE_GUEST_INIT_CAPTURE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct capture {
    const char *name; /* for error messages */
    int fd;           /* read end, owned; -1 once every writer has closed */
    size_t limit;     /* bytes to keep at most; later ones are read and dropped */
    struct pe_buf kept;
    bool truncated; /* bytes were dropped */

    size_t *budget; /* bytes that all streams and `combined` may still keep together; NULL: no limit */

    struct pe_buf *combined; /* gets the bytes that are kept, too; NULL: none */
    size_t held;             /* proto/combined.h */
};

/* Touch the memory that the first bytes are read into, long before they come. */
void capture_prepare(void);

/* Make the pipe. The caller owns `*write_end`, and frees the capture, also after a failure. */
int capture_open(struct capture *capture, const char *name, size_t limit, int *write_end,
                 struct pe_error *err) PE_MUST_CHECK;

/* Make the order visible in which a program writes to several streams, before it starts. Each pipe
 * then holds one write at a time, if the reader has precedence (guest-init/precedence.h), or if the
 * program writes with O_DIRECT (pipe(2), "packet mode"). The epoll descriptor `events` reports them in the
 * order of these writes, each with a pointer to the capture, if one event is read at a time. `combined` gets
 * the bytes in this order. */
int capture_combine(struct capture *capture, int events, struct pe_buf *combined,
                    struct pe_error *err) PE_MUST_CHECK;

/* Read from a terminal instead of the pipe, which is closed. The capture gets a copy of `fd`, which must be
 * non-blocking. */
int capture_use_terminal(struct capture *capture, int fd, struct pe_error *err) PE_MUST_CHECK;

/* How many bytes at the end of what is kept might be dropped when the stream is cut: the beginning of a
 * character, if there is hardly any room left. */
size_t capture_might_drop(const struct capture *capture);

/* Nothing follows: complete `combined`. */
int capture_end_combined(struct capture *capture, struct pe_error *err) PE_MUST_CHECK;

/* Read once, without blocking. Returns 1 if there may be more to read, and 0 if the pipe is empty
 * or closed. */
int capture_read(struct capture *capture, struct pe_error *err) PE_MUST_CHECK;

/* Close the pipe and free the bytes that were kept. */
void capture_free(struct capture *capture);

#endif
