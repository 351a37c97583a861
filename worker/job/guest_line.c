/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of lines. What they mean is in worker/job/machine.c. */
#include "worker/job/guest_line.h"

#include "proto/path.h"

#include <errno.h>
#include <unistd.h>

static void finish(struct guest_line *line, char text[GUEST_LINE_MAX + 1])
{
    while (line->size && line->bytes[line->size - 1] == '\r')
        line->size--;
    pe_path_printable(line->bytes, line->size, text, GUEST_LINE_MAX + 1);
    line->size = 0;
}

int guest_line_read(int fd, struct guest_line *line, char text[GUEST_LINE_MAX + 1], struct pe_error *err)
{
    for (;;) {
        char byte = 0;
        ssize_t n = read(fd, &byte, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n <= 0)
            return pe_fail(err, PE_ERR_LOST, "the guest's serial port was closed");
        if (byte == '\n') {
            finish(line, text);
            return 1;
        }
        if (line->size == GUEST_LINE_MAX)
            return pe_fail(err, PE_ERR_INTERNAL, "the guest sent a line of more than %d bytes",
                           GUEST_LINE_MAX);
        line->bytes[line->size++] = byte;
    }
}
