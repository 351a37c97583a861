/* SPDX-License-Identifier: Apache-2.0 */
/* Strict base64. OpenSSL's decoder leaves out blanks around a text, so the form is checked here, and the
 * decoder is not needed for the little that is left. */
#include "codec/base64.h"

#include <stdlib.h>

enum { NOT_A_DIGIT = 64 };

/* The value of a character, from 0 to 63. */
static unsigned digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : NOT_A_DIGIT;
}

/* Decode `digits` characters, two to four of them, to digits - 1 bytes. Returns -1 if one is not in the
 * alphabet, or if bits that no byte takes are set. */
static int decode_group(const char *text, size_t digits, uint8_t *bytes)
{
    unsigned bits = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned value = i < digits ? digit_value(text[i]) : 0;
        if (value == NOT_A_DIGIT)
            return -1;
        bits = bits << 6 | value;
    }
    for (size_t i = 0; i + 1 < digits; i++)
        bytes[i] = (uint8_t)(bits >> (16 - 8 * i));
    return bits & ((1u << (8 * (4 - digits))) - 1) ? -1 : 0;
}

uint8_t *pe_base64_decode(const char *text, size_t size, size_t *length, struct pe_error *err)
{
    size_t padding = size && text[size - 1] == '=' ? 1 + (size > 1 && text[size - 2] == '=') : 0;
    if (size % 4) {
        pe_fail(err, PE_ERR_INVALID, "the base64 has %zu characters, which is no multiple of 4", size);
        return NULL;
    }
    uint8_t *bytes = malloc(size / 4 * 3 + 1);
    if (!bytes) {
        pe_fail_errno(err, "%zu characters of base64", size);
        return NULL;
    }
    for (size_t at = 0; at < size; at += 4) {
        size_t digits = at + 4 == size ? 4 - padding : 4;
        if (decode_group(text + at, digits, bytes + at / 4 * 3) < 0) {
            pe_fail(err, PE_ERR_INVALID, "characters %zu to %zu are not base64 (RFC 4648 section 4)", at + 1,
                    at + 4);
            free(bytes);
            return NULL;
        }
    }
    *length = size / 4 * 3 - padding;
    return bytes;
}
