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

/* Append bytes, for which there is room. */
static void put(struct pe_buf *out, const void *bytes, size_t size)
{
    if (size)
        memcpy(out->data + out->size, bytes, size);
    out->size += size;
}

/* Append what was held back. */
static void release(struct pe_expect *expect, struct pe_buf *out)
{
    memset(out->data + out->size, '\n', expect->lines);
    out->size += expect->lines;
    put(out, expect->space.data, expect->space.size);
    expect->lines = expect->space.size = 0;
}

/* The number of bytes up to the last one that is no white space. */
static size_t content_size(const uint8_t *line, size_t size)
{
    while (size && is_space(line[size - 1]))
        size--;
    return size;
}

/* Add a line without its end, or a part of one: nothing is known of what follows it then. */
static int add_line(struct pe_expect *expect, const uint8_t *line, size_t size, bool has_end,
                    struct pe_buf *out, struct pe_error *err)
{
    const size_t content = content_size(line, size);
    if (content) {
        release(expect, out);
        put(out, line, content);
    }
    if (!has_end)
        return pe_buf_append(&expect->space, line + content, size - content, err);
    expect->space.size = 0;
    expect->lines++;
    return 0;
}

int pe_expect_add(struct pe_expect *expect, const void *bytes, size_t size, struct pe_buf *out,
                  struct pe_error *err)
{
    if (expect->compare == PE_EXPECT_EXACT)
        return pe_buf_append(out, bytes, size, err);
    if (size == 0) /* then there may be no bytes at all */
        return 0;
    const uint8_t *at = bytes, *end = at + size, *next = NULL;
    if (pe_buf_reserve(out, expect->lines + expect->space.size + size, err) < 0)
        return -1;
    for (; at < end; at = next) {
        const uint8_t *line_end = memchr(at, '\n', (size_t)(end - at));
        next = line_end ? line_end + 1 : end;
        if (add_line(expect, at, (size_t)((line_end ? line_end : end) - at), line_end != NULL, out, err) < 0)
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
