/* One output stream of the program: what comes through a pipe, kept up to a limit. */
#ifndef PE_GUEST_CAPTURE_H
#define PE_GUEST_CAPTURE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct capture {
    const char *name; /* for error messages */
    int fd;           /* read end, owned; -1 once every writer has closed */
    size_t limit;     /* bytes to keep; what comes after is read and dropped */
    struct pe_buf kept;
    bool truncated; /* something was dropped */
};

/* Make the pipe; the caller owns `*write_end`. */
int capture_open(struct capture *capture, const char *name, size_t limit, int *write_end,
                 struct pe_error *err) PE_MUST_CHECK;

/* Read once what is there, without blocking: 1 when more may be there, 0 when nothing is or ever will be. */
int capture_read(struct capture *capture, struct pe_error *err) PE_MUST_CHECK;

/* Close the pipe and free the bytes that were kept. */
void capture_free(struct capture *capture);

#endif
