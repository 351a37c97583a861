/* Checking and repairing UTF-8. */
#include "lb/utf8.h"

#include <stdint.h>

/* Bytes of the valid sequence at `at`, 0 when there is none (RFC 3629 section 4). */
static size_t sequence_size(const uint8_t *at, size_t left)
{
    uint8_t first = at[0];
    if (first < 0x80)
        return 1;
    size_t size = first >= 0xc2 && first <= 0xdf ? 2 : (first & 0xf0) == 0xe0 ? 3 : 0;
    if (first >= 0xf0 && first <= 0xf4)
        size = 4;
    if (size == 0 || left < size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (first == 0xe0 && at[1] < 0xa0) || (first == 0xf0 && at[1] < 0x90);
    bool surrogate = first == 0xed && at[1] > 0x9f;
    bool beyond = first == 0xf4 && at[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : size;
}

bool utf8_valid(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size) {
        size_t n = sequence_size(at, size);
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
        size_t n = sequence_size(at, size);
        if (pe_buf_append(out, n ? (const void *)at : "\xef\xbf\xbd", n ? n : 3, err) < 0)
            return -1;
        n = n ? n : 1;
        at += n;
        size -= n;
    }
    return 0;
}
