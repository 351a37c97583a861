/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8. The check agrees with a decoder that knows the numbers of characters, repaired text is valid,
 * and a combined stream that is cut anywhere stays what it was. */
#include "base/cleanup.h"
#include "base/utf8.h"
#include "codec/utf8_text.h"
#include "proto/combined.h"
#include "tests/fuzz/fuzz.h"

/* The size of the character at `at`, by its number; 0 if there is none. */
static size_t decode(const uint8_t *at, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;
    uint32_t number = size == 1 ? at[0] : at[0] & (0x7fu >> size);
    if (size == 0 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        number = number << 6 | (at[i] & 0x3f);
    }
    bool surrogate = number >= 0xd800 && number <= 0xdfff;
    return number < least[size] || number > 0x10ffff || surrogate ? 0 : size;
}

static bool check_characters(const uint8_t *bytes, size_t size)
{
    bool valid = true;
    for (size_t i = 0; i < size; i++)
        HOLDS(pe_utf8_sequence_size(bytes + i, size - i) == decode(bytes + i, size - i));
    for (size_t i = 0, n = 0; valid && i < size; i += n) {
        n = decode(bytes + i, size - i);
        valid = n > 0;
    }
    return valid;
}

static void check_repair(const uint8_t *bytes, size_t size, bool valid)
{
    pe_autobuf struct pe_buf repaired = {0};
    struct pe_error err;
    HOLDS(pe_utf8_append_repaired(&repaired, bytes, size, &err) == 0);
    HOLDS(pe_utf8_valid(repaired.data, repaired.size) && repaired.size <= 3 * size);
    HOLDS(!valid || (repaired.size == size && (!size || !memcmp(repaired.data, bytes, size))));
}

/* A text that is cut is valid without what the end of it lacks. */
static void check_cut(const uint8_t *bytes, size_t size, size_t at)
{
    size_t cut = at < size ? at : size;
    size_t unfinished = pe_utf8_unfinished_size(bytes, cut);
    HOLDS(unfinished <= 3 && unfinished <= cut);
    HOLDS(pe_utf8_valid(bytes, cut - unfinished));
}

static void check_combined(const uint8_t *bytes, size_t size, size_t piece)
{
    pe_autobuf struct pe_buf stream = {0}, combined = {0};
    struct pe_error err;
    size_t held = 0;
    for (size_t at = 0; at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        HOLDS(pe_buf_append(&stream, bytes + at, n, &err) == 0);
        HOLDS(pe_combined_append(&combined, &stream, n, &held, &err) == 0);
        HOLDS(held <= 3 && combined.size + held == stream.size);
    }
    HOLDS(pe_combined_finish(&combined, &stream, &held, &err) == 0);
    HOLDS(combined.size == size && (!size || !memcmp(combined.data, bytes, size)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_cursor rest = {.at = bytes, .left = size};
    size_t at = fuzz_byte(&rest);
    bool valid = check_characters(rest.at, rest.left);
    HOLDS(pe_utf8_valid(rest.at, rest.left) == valid);
    check_repair(rest.at, rest.left, valid);
    if (valid)
        check_cut(rest.at, rest.left, at);
    check_combined(rest.at, rest.left, 1 + at % 8);
    return 0;
}
