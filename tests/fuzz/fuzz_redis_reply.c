/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of Redis. What is parsed, written again, is the same text. Bytes arrive one after the other: a
 * reply is incomplete until it is complete or malformed, and stays that whatever follows. */
#include "lb/core/store_redis_reply.h"
#include "tests/fuzz/fuzz.h"

enum { PREFIXES_MAX = 1024 };

/* Parse a copy of the first `size` bytes, so that a byte read too many is seen. The reply points into the
 * copy, of which nothing is left: only its numbers are returned. */
static int parse(const uint8_t *text, size_t size, struct redis_reply *reply)
{
    struct pe_error err;
    char *copy = fuzz_text(text, size);
    int found = redis_reply_parse((const uint8_t *)copy, size, reply, &err);
    HOLDS(found >= 0 || (err.kind == PE_ERR_MALFORMED && err.message[0]));
    if (found == 1 && reply->bytes)
        reply->bytes = text + (reply->bytes - (const uint8_t *)copy);
    free(copy);
    return found;
}

/* The number behind the kind of the reply, which has no sign. */
static unsigned long number_of(const uint8_t *text)
{
    return strtoul((const char *)text + 1, NULL, 10);
}

static void check_line(const uint8_t *text, const struct redis_reply *reply)
{
    HOLDS(text[0] == (reply->kind == REDIS_ERROR ? '-' : text[0] == ':' ? ':' : '+'));
    HOLDS(reply->bytes == text + 1 && reply->length == reply->size + 3 && reply->size <= REDIS_LINE_MAX);
    HOLDS(!memchr(reply->bytes, '\n', reply->size));
    HOLDS(text[0] != ':' || strspn((const char *)reply->bytes, "0123456789") == reply->size);
}

static void check_bulk(const uint8_t *text, const struct redis_reply *reply)
{
    const uint8_t *line_end = memchr(text, '\n', reply->length);
    HOLDS(text[0] == '$' && line_end);
    if (reply->kind == REDIS_NOTHING) {
        HOLDS(reply->length == 5 && !memcmp(text, "$-1\r\n", 5) && !reply->bytes);
        return;
    }
    HOLDS(reply->bytes == line_end + 1 && reply->size == number_of(text));
    HOLDS(reply->size <= STORE_SHARED_VALUE_MAX);
    HOLDS(reply->bytes + reply->size + 2 == text + reply->length);
}

static void check_reply(const uint8_t *text, size_t size, const struct redis_reply *reply)
{
    HOLDS(reply->length >= 3 && reply->length <= size && reply->length <= REDIS_REPLY_MAX);
    HOLDS(!memcmp(text + reply->length - 2, "\r\n", 2));
    if (reply->kind == REDIS_OK || reply->kind == REDIS_ERROR)
        check_line(text, reply);
    else
        check_bulk(text, reply);
}

/* What becomes of the bytes while they arrive. */
static void check_prefixes(const uint8_t *text, size_t size, int whole, const struct redis_reply *reply)
{
    struct redis_reply part;
    int before = 0;
    for (size_t count = 0; count < size; count++) {
        int now = parse(text, count, &part);
        HOLDS(before == 0 || now == before);
        HOLDS(now != 1 || (whole == 1 && part.length == reply->length && part.bytes == reply->bytes));
        HOLDS(whole != 1 || (now == 1) == (count >= reply->length));
        before = now;
    }
    HOLDS(before == 0 || before == whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct redis_reply reply;
    char *text = fuzz_text(bytes, size);
    int whole = parse((const uint8_t *)text, size, &reply);
    if (whole == 1)
        check_reply((const uint8_t *)text, size, &reply);
    if (size <= PREFIXES_MAX)
        check_prefixes((const uint8_t *)text, size, whole, &reply);
    free(text);
    return 0;
}
