/* SPDX-License-Identifier: Apache-2.0 */
/* A pool of random bytes, each used once. */
#include "base/random_text.h"

#include "base/io.h"

#include <stdint.h>

void pe_pooled_random_hex(char *text, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    static uint8_t pool[4096];
    static size_t left;
    if (left < size) {
        pe_random(pool, sizeof pool);
        left = sizeof pool;
    }
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = pool[--left];
        *text++ = digits[byte >> 4];
        *text++ = digits[byte & 15];
    }
    *text = '\0';
}
