/* SPDX-License-Identifier: Apache-2.0 */
/* Recognising control characters. What takes their place is the caller's matter. */
#include "base/control.h"

size_t pe_control_size(const char *text, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    if (length >= 1 && (bytes[0] < 0x20 || bytes[0] == 0x7f))
        return 1;
    return length >= 2 && bytes[0] == 0xc2 && bytes[1] >= 0x80 && bytes[1] < 0xa0 ? 2 : 0;
}
