/* SPDX-License-Identifier: Apache-2.0 */
/* Checking and repairing UTF-8. */
#include "codec/utf8_text.h"

#include "base/utf8.h"

#include <string.h>

/* How many bytes at the front are surely ASCII, in steps of 8. */
static size_t ascii_size(const uint8_t *at, size_t size)
{
    size_t n = 0;
    for (uint64_t eight; n + sizeof eight <= size; n += sizeof eight) {
        memcpy(&eight, at + n, sizeof eight);
        if (eight & 0x8080808080808080u)
            break;
    }
    return n;
}

bool pe_utf8_valid(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size) {
        size_t ascii = *at < 0x80 ? ascii_size(at, size) : 0;
        size_t n = ascii ? ascii : pe_utf8_sequence_size(at, size);
        if (n == 0)
            return false;
        at += n;
        size -= n;
    }
    return true;
}

int pe_utf8_append_repaired(struct pe_buf *out, const void *bytes, size_t size, struct pe_error *err)
{
    const uint8_t *at = bytes;
    while (size) {
        size_t n = pe_utf8_sequence_size(at, size);
        if (pe_buf_append(out, n ? (const void *)at : "\xef\xbf\xbd", n ? n : 3, err) < 0)
            return -1;
        n = n ? n : 1;
        at += n;
        size -= n;
    }
    return 0;
}
