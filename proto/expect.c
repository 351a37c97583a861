/* SPDX-License-Identifier: Apache-2.0 */
/* Leaving out the white space that does not count. Whether it counts is only known when the next byte is
 * there. */
#include "proto/expect.h"

#include "codec/sha256_plain.h"

#include <string.h>

void pe_expect_begin(struct pe_expect *expect, enum pe_expect_compare compare)
{
    *expect = (struct pe_expect){.compare = compare};
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\v' || byte == '\f';
}

/* Append what was held back. */
static int release(struct pe_expect *expect, struct pe_buf *out, struct pe_error *err)
{
    for (; expect->lines; expect->lines--)
        if (pe_buf_append(out, "\n", 1, err) < 0)
            return -1;
    int failed = pe_buf_append(out, expect->space.data, expect->space.size, err);
    expect->space.size = 0;
    return failed;
}

static int hold_back(struct pe_expect *expect, uint8_t byte, struct pe_error *err)
{
    if (byte != '\n')
        return pe_buf_append(&expect->space, &byte, 1, err);
    expect->space.size = 0;
    expect->lines++;
    return 0;
}

/* The number of bytes up to the next white space. */
static size_t word_size(const uint8_t *at, size_t left)
{
    size_t size = 0;
    while (size < left && at[size] != '\n' && !is_space(at[size]))
        size++;
    return size;
}

int pe_expect_add(struct pe_expect *expect, const void *bytes, size_t size, struct pe_buf *out,
                  struct pe_error *err)
{
    const uint8_t *at = bytes;
    if (expect->compare == PE_EXPECT_EXACT)
        return pe_buf_append(out, bytes, size, err);
    for (size_t i = 0; i < size;) {
        size_t word = word_size(at + i, size - i);
        if (word && (release(expect, out, err) < 0 || pe_buf_append(out, at + i, word, err) < 0))
            return -1;
        i += word;
        if (i < size && hold_back(expect, at[i++], err) < 0)
            return -1;
    }
    return 0;
}

void pe_expect_free(struct pe_expect *expect)
{
    pe_buf_free(&expect->space);
}

int pe_expect_hash(enum pe_expect_compare compare, const void *bytes, size_t size, char hex[65],
                   struct pe_error *err)
{
    pe_autoexpect struct pe_expect expect;
    pe_autobuf struct pe_buf compared = {0};
    struct pe_sha256_plain hash;
    pe_expect_begin(&expect, compare);
    if (pe_expect_add(&expect, bytes, size, &compared, err) < 0)
        return -1;
    pe_sha256_plain_begin(&hash);
    pe_sha256_plain_add(&hash, compared.data, compared.size);
    pe_sha256_plain_end(&hash, hex);
    return 0;
}
