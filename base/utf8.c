/* SPDX-License-Identifier: Apache-2.0 */
/* Checking UTF-8. */
#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

size_t pe_utf8_sequence_size(const uint8_t *at, size_t left)
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

/* Whether bytes can follow that complete a character. Which continuation bytes are allowed depends
 * on the first byte only for the second one, and 0x80 or 0xbf always is. */
static bool is_beginning(const uint8_t *bytes, size_t size)
{
    uint8_t low[4] = {0x80, 0x80, 0x80, 0x80}, high[4] = {0xbf, 0xbf, 0xbf, 0xbf};
    memcpy(low, bytes, size);
    memcpy(high, bytes, size);
    return pe_utf8_sequence_size(low, sizeof low) > size || pe_utf8_sequence_size(high, sizeof high) > size;
}

size_t pe_utf8_unfinished_size(const uint8_t *bytes, size_t size)
{
    for (size_t n = 1; n <= 3 && n <= size; n++)
        if ((bytes[size - n] & 0xc0) != 0x80) /* not a continuation byte */
            return is_beginning(bytes + size - n, n) ? n : 0;
    return 0;
}
