/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the lines that a guest sends over its serial port (proto/guest-contract.md). The bytes come from a
 * VMM that its guest may have taken over. */
#ifndef PE_WORKER_JOB_GUEST_LINE_H
#define PE_WORKER_JOB_GUEST_LINE_H

#include "base/error.h"

#include <stddef.h>

/* The longest line, with the carriage returns that a terminal may have put at its end. */
#define GUEST_LINE_MAX 256

/* What has arrived of the current line; all zero at the beginning. */
struct guest_line {
    char bytes[GUEST_LINE_MAX];
    size_t size;
};

/* Read from the nonblocking `fd` up to the end of the line. Returns 1 if the line is complete: `text` is then
 * the line without its end, with '?' for control characters, and `line` is empty. Returns 0 if there is
 * nothing more to read yet. Never reads more than GUEST_LINE_MAX bytes for a line, whatever they are. Fails
 * with PE_ERR_LOST if the other side has closed the port, and with PE_ERR_INTERNAL if the line is too long.
 */
int guest_line_read(int fd, struct guest_line *line, char text[GUEST_LINE_MAX + 1],
                    struct pe_error *err) PE_MUST_CHECK;

#endif
