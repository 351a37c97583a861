/* SPDX-License-Identifier: Apache-2.0 */
/* One reply at a time. Arrays are not expected, so they are malformed. */
#include "lb/core/store_redis_reply.h"

#include <stdbool.h>
#include <string.h>

static int malformed(struct pe_error *err, const char *why)
{
    return pe_fail(err, PE_ERR_MALFORMED, "a reply of Redis %s", why);
}

/* Find the end of the first line: CR and LF. Returns 1, 0 if it is not there yet, or -1. */
static int find_line(const uint8_t *text, size_t size, size_t *length, struct pe_error *err)
{
    const size_t most = size < REDIS_LINE_MAX + 2 ? size : REDIS_LINE_MAX + 2;
    const uint8_t *end = most ? memchr(text, '\n', most) : NULL;
    if (!end)
        return size < REDIS_LINE_MAX + 2 ? 0 : malformed(err, "has a line that is too long");
    *length = (size_t)(end - text);
    if (*length < 2 || text[*length - 1] != '\r')
        return malformed(err, "has a line that does not end with CR and LF");
    --*length;
    return 1;
}

/* The length of a bulk string; -1 stands for a null. */
static int parse_length(const uint8_t *digits, size_t count, long *length, struct pe_error *err)
{
    *length = 0;
    if (count == 2 && !memcmp(digits, "-1", 2)) {
        *length = -1;
        return 0;
    }
    if (count == 0 || count > 7)
        return malformed(err, "has a length that is not valid");
    for (size_t i = 0; i < count; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return malformed(err, "has a length that is not a number");
        *length = 10 * *length + (digits[i] - '0');
    }
    return *length <= STORE_SHARED_VALUE_MAX ? 0 : malformed(err, "has a value that is too large");
}

static int parse_bulk(const uint8_t *text, size_t size, size_t line, struct redis_reply *reply,
                      struct pe_error *err)
{
    const size_t head = line + 2;
    long length = 0;
    if (parse_length(text + 1, line - 1, &length, err) < 0)
        return -1;
    reply->kind = length < 0 ? REDIS_NOTHING : REDIS_VALUE;
    reply->length = head;
    if (length < 0)
        return 1;
    reply->bytes = text + head;
    reply->size = (size_t)length;
    reply->length = head + (size_t)length + 2;
    if (size < reply->length)
        return 0;
    return memcmp(text + reply->length - 2, "\r\n", 2) == 0 ? 1
                                                            : malformed(err, "has a value without an end");
}

static bool is_number(const uint8_t *digits, size_t count)
{
    bool fits = count > 0 && count <= 19;
    for (size_t i = 0; i < count && fits; i++)
        fits = digits[i] >= '0' && digits[i] <= '9';
    return fits;
}

int redis_reply_parse(const uint8_t *text, size_t size, struct redis_reply *reply, struct pe_error *err)
{
    size_t line = 0;
    *reply = (struct redis_reply){.kind = REDIS_NOTHING};
    int found = find_line(text, size, &line, err);
    if (found <= 0)
        return found;
    if (text[0] == '$')
        return parse_bulk(text, size, line, reply, err);
    if (text[0] == ':' && !is_number(text + 1, line - 1))
        return malformed(err, "has a number that is not valid");
    if (!strchr("+-:", text[0]) || !text[0])
        return malformed(err, "is of a kind that is not expected");
    *reply = (struct redis_reply){.kind = text[0] == '-' ? REDIS_ERROR : REDIS_OK,
                                  .bytes = text + 1,
                                  .size = line - 1,
                                  .length = line + 2};
    return 1;
}
