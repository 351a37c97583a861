/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing `traceparent`: version "-" trace-id "-" parent-id "-" flags (section 3.2 of the
 * specification), and `tracestate` (section 3.3). Who makes traces and spans is not known here. */
#include "codec/trace_context.h"

#include <stdio.h>
#include <string.h>

enum { TRACE_ID_AT = 3, SPAN_ID_AT = 36, FLAGS_AT = 53 };

static bool is_hex(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'a' && text[i] <= 'f'))
            return false;
    return true;
}

static bool is_zero(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] != '0')
            return false;
    return true;
}

static unsigned digit(char hex)
{
    return (unsigned)(hex <= '9' ? hex - '0' : hex - 'a' + 10);
}

static bool has_form(const char *text, size_t size)
{
    if (size < PE_TRACEPARENT_SIZE || !is_hex(text, 2) || !memcmp(text, "ff", 2))
        return false;
    bool is_first = !memcmp(text, "00", 2);
    if (size > PE_TRACEPARENT_SIZE && (is_first || text[PE_TRACEPARENT_SIZE] != '-'))
        return false;
    return text[TRACE_ID_AT - 1] == '-' && text[SPAN_ID_AT - 1] == '-' && text[FLAGS_AT - 1] == '-';
}

static bool is_id(const char *text, size_t size)
{
    return is_hex(text, size) && !is_zero(text, size);
}

bool pe_traceparent_parse(const char *text, size_t size, struct pe_trace *trace)
{
    *trace = (struct pe_trace){.flags = 0};
    if (!has_form(text, size) || !is_id(text + TRACE_ID_AT, PE_TRACE_ID_SIZE) ||
        !is_id(text + SPAN_ID_AT, PE_SPAN_ID_SIZE) || !is_hex(text + FLAGS_AT, 2))
        return false;
    memcpy(trace->trace_id, text + TRACE_ID_AT, PE_TRACE_ID_SIZE);
    memcpy(trace->span_id, text + SPAN_ID_AT, PE_SPAN_ID_SIZE);
    trace->flags = digit(text[FLAGS_AT + 1]) & (PE_TRACE_SAMPLED | PE_TRACE_RANDOM);
    return true;
}

void pe_traceparent_format(const struct pe_trace *trace, char text[PE_TRACEPARENT_SIZE + 1])
{
    snprintf(text, PE_TRACEPARENT_SIZE + 1, "00-%.32s-%.16s-%02x", trace->trace_id, trace->span_id,
             trace->flags & (PE_TRACE_SAMPLED | PE_TRACE_RANDOM));
}

/* ---- tracestate ---- */

enum { KEY_MAX = 256, VALUE_MAX = 256, LONG_MEMBER = 128 };

/* The members of a list, which point into the values that were read. */
struct members {
    struct pe_cursor items[PE_TRACESTATE_MEMBERS_MAX];
    size_t count;
    size_t size; /* bytes of all of them, with the commas between them */
};

static bool is_lower_or_digit(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_key(const uint8_t *text, size_t size)
{
    if (size < 1 || size > KEY_MAX || !is_lower_or_digit(text[0]))
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_lower_or_digit(text[i]) && (!text[i] || !strchr("_-*/@", text[i])))
            return false;
    return true;
}

/* Printable ASCII without commas and equals signs. It does not end with a blank, since those are left out. */
static bool is_value(const uint8_t *text, size_t size)
{
    if (size < 1 || size > VALUE_MAX)
        return false;
    for (size_t i = 0; i < size; i++)
        if (text[i] < 0x20 || text[i] > 0x7e || text[i] == ',' || text[i] == '=')
            return false;
    return true;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct pe_cursor trim(struct pe_cursor text)
{
    while (text.left && is_blank(text.at[0]))
        text.at++, text.left--;
    while (text.left && is_blank(text.at[text.left - 1]))
        text.left--;
    return text;
}

static bool add_member(struct members *members, struct pe_cursor member)
{
    if (!member.left)
        return true;
    const uint8_t *equals = memchr(member.at, '=', member.left);
    const size_t key = equals ? (size_t)(equals - member.at) : 0;
    if (!equals || !is_key(member.at, key) || !is_value(equals + 1, member.left - key - 1) ||
        members->count == PE_TRACESTATE_MEMBERS_MAX)
        return false;
    members->size += member.left + (members->count > 0);
    members->items[members->count++] = member;
    return true;
}

static bool add_members(struct members *members, struct pe_cursor list)
{
    while (list.left) {
        const uint8_t *comma = memchr(list.at, ',', list.left);
        const size_t size = comma ? (size_t)(comma - list.at) : list.left;
        if (!add_member(members, trim((struct pe_cursor){.at = list.at, .left = size})))
            return false;
        list.at += size + (comma != NULL);
        list.left -= size + (comma != NULL);
    }
    return true;
}

/* Leave out the last member that has more than `size` bytes. Returns false if there is none. */
static bool drop_member(struct members *members, size_t size)
{
    size_t at = members->count;
    while (at && members->items[at - 1].left <= size)
        at--;
    if (!at)
        return false;
    members->size -= members->items[at - 1].left + (members->count > 1);
    memmove(&members->items[at - 1], &members->items[at], (members->count - at) * sizeof *members->items);
    members->count--;
    return true;
}

bool pe_tracestate_parse(const struct pe_cursor *values, size_t count, struct pe_trace *trace)
{
    struct members members = {.count = 0};
    size_t used = 0;
    trace->state[0] = '\0';
    for (size_t i = 0; i < count; i++)
        if (!add_members(&members, values[i]))
            return false;
    while (members.size > PE_TRACESTATE_SIZE)
        if (!drop_member(&members, LONG_MEMBER))
            drop_member(&members, 0);
    for (size_t i = 0; i < members.count; i++) {
        if (i)
            trace->state[used++] = ',';
        memcpy(trace->state + used, members.items[i].at, members.items[i].left);
        used += members.items[i].left;
    }
    trace->state[used] = '\0';
    return true;
}
