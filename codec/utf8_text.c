/* SPDX-License-Identifier: Apache-2.0 */
/* Checking and repairing UTF-8. */
#include "codec/utf8_text.h"

#include "base/utf8.h"

bool utf8_valid(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size) {
        size_t n = pe_utf8_sequence_size(at, size);
        if (n == 0)
            return false;
        at += n;
        size -= n;
    }
    return true;
}

int utf8_append_repaired(struct pe_buf *out, const void *bytes, size_t size, struct pe_error *err)
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
