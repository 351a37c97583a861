/* SPDX-License-Identifier: Apache-2.0 */
/* Lines on a guest's serial port. The reader returns the lines that the bytes have, without control
 * characters, up to the first line that is too long. */
#include "base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "worker/job/guest_line.h"

/* The next line of the bytes is this text. */
static void check_line(struct pe_cursor *rest, const char *text)
{
    size_t size = 0;
    const uint8_t *line = pe_cursor_read_until(rest, '\n', &size);
    HOLDS(line && size <= GUEST_LINE_MAX);
    while (size && line[size - 1] == '\r')
        size--;
    HOLDS(strlen(text) == size);
    for (size_t i = 0; i < size; i++)
        HOLDS(text[i] == (fuzz_is_control(line, size, i) ? '?' : (char)line[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_cursor rest = {.at = bytes, .left = size};
    struct guest_line line = {.size = 0};
    struct pe_error err;
    char text[GUEST_LINE_MAX + 1];
    size_t left = 0;
    pe_autoclose int fd = fuzz_socket(bytes, size, NULL);
    while (guest_line_read(fd, &line, text, &err) > 0)
        check_line(&rest, text);
    const uint8_t *too_long = pe_cursor_read_until(&rest, '\n', &left);
    left = too_long ? left : rest.left;
    HOLDS(err.kind == (left > GUEST_LINE_MAX ? PE_ERR_INTERNAL : PE_ERR_LOST));
    HOLDS(!too_long || left > GUEST_LINE_MAX);
    return 0;
}
