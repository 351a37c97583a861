/* SPDX-License-Identifier: Apache-2.0 */
/* Reading JSON text. All access to the text goes through the cursor. */
#include "codec/json_reader.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_MAX = 64,  /* nesting of a value that is skipped */
    NUMBER_MAX = 40, /* characters of a number, enough for every 64-bit integer and double */
};

struct pe_json_reader pe_json_read(const void *text, size_t size)
{
    return (struct pe_json_reader){.rest = {.at = text, .left = size}};
}

void pe_json_fault(struct pe_json_reader *reader, const char *what)
{
    if (!reader->fault)
        reader->fault = what;
    reader->rest.left = 0;
}

/* The next byte, which stays; -1 at the end. */
static int peek(const struct pe_json_reader *reader)
{
    return reader->rest.left ? *reader->rest.at : -1;
}

static void advance(struct pe_json_reader *reader)
{
    reader->rest.at++;
    reader->rest.left--;
}

static int peek_token(struct pe_json_reader *reader)
{
    int byte = peek(reader);
    while (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r') {
        advance(reader);
        byte = peek(reader);
    }
    return byte;
}

static bool skip_token(struct pe_json_reader *reader, char token)
{
    if (peek_token(reader) != token)
        return false;
    advance(reader);
    return true;
}

static void expect_token(struct pe_json_reader *reader, char token, const char *otherwise)
{
    if (!skip_token(reader, token))
        pe_json_fault(reader, otherwise);
}

static bool skip_literal(struct pe_json_reader *reader, const char *literal, size_t size)
{
    if (peek_token(reader) < 0 || reader->rest.left < size || memcmp(reader->rest.at, literal, size) != 0)
        return false;
    pe_cursor_read(&reader->rest, size);
    return true;
}

/* ---- objects and arrays ---- */

void pe_json_enter(struct pe_json_reader *reader, char bracket)
{
    expect_token(reader, bracket, bracket == '{' ? "an object is expected" : "an array is expected");
    reader->first = true;
}

static bool next(struct pe_json_reader *reader, char closing)
{
    bool first = reader->first;
    reader->first = false;
    if (skip_token(reader, closing))
        return false;
    if (!first)
        expect_token(reader, ',', "',' or the end of the object or array is expected");
    return !reader->fault;
}

bool pe_json_next_element(struct pe_json_reader *reader)
{
    return next(reader, ']');
}

/* ---- strings ---- */

/* Where the characters of a string go, as far as there is room. */
struct target {
    char *text;
    size_t room, size; /* `size` counts the bytes that did not fit as well */
    bool allows_nul;
};

static void store(struct target *target, const uint8_t *bytes, size_t size)
{
    size_t left = target->size < target->room ? target->room - target->size : 0;
    if (left)
        memcpy(target->text + target->size, bytes, size < left ? size : left);
    target->size += size;
}

static unsigned parse_hex4(struct pe_json_reader *reader)
{
    const uint8_t *digits = pe_cursor_read(&reader->rest, 4);
    unsigned value = 0;
    for (int i = 0; digits && i < 4; i++) {
        unsigned letter = (digits[i] | 0x20u) - 'a', digit = digits[i] - (unsigned)'0';
        if (digit > 9 && letter > 5)
            digits = NULL;
        value = value * 16 + (digit <= 9 ? digit : letter + 10);
    }
    if (!digits)
        pe_json_fault(reader, "an invalid escape");
    return digits ? value : 0;
}

static void store_character(struct pe_json_reader *reader, struct target *target, unsigned code)
{
    uint8_t bytes[4];
    size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size; i-- > 1; code >>= 6)
        bytes[i] = (uint8_t)(0x80 | (code & 0x3f));
    bytes[0] = (uint8_t)(leads[size] | code);
    if (bytes[0] == 0 && !target->allows_nul)
        pe_json_fault(reader, "a string has a NUL character");
    store(target, bytes, size);
}

/* Parse what follows "\u". A character beyond U+FFFF is written as two escapes (RFC 8259 section
 * 7). */
static void parse_unicode(struct pe_json_reader *reader, struct target *target)
{
    unsigned code = parse_hex4(reader);
    bool is_high = code >= 0xd800 && code < 0xdc00;
    if (is_high && reader->rest.left >= 2 && !memcmp(reader->rest.at, "\\u", 2)) {
        pe_cursor_read(&reader->rest, 2);
        unsigned low = parse_hex4(reader);
        code = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : 0xd800;
    }
    if (code >= 0xd800 && code < 0xe000)
        pe_json_fault(reader, "an unpaired surrogate");
    else
        store_character(reader, target, code);
}

static void parse_escape(struct pe_json_reader *reader, struct target *target)
{
    static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    const uint8_t *name = pe_cursor_read(&reader->rest, 1);
    const char *at = name && *name ? strchr(names, *name) : NULL;
    if (at)
        store(target, (const uint8_t *)&means[at - names], 1);
    else if (name && *name == 'u')
        parse_unicode(reader, target);
    else
        pe_json_fault(reader, "an invalid escape");
}

/* True for the ASCII characters that need no escape in a string. */
static const bool plain[256] = {
    [0x20 ... '"' - 1] = true, ['"' + 1 ... '\\' - 1] = true, ['\\' + 1 ... 0x7f] = true};

/* Parse the bytes up to the next quote, backslash or invalid byte. */
static void parse_plain_run(struct pe_json_reader *reader, struct target *target)
{
    const uint8_t *run = reader->rest.at, *end = run + reader->rest.left, *at = run;
    for (;;) {
        while (at < end && plain[*at])
            at++;
        size_t size = at < end && *at >= 0x80 ? pe_utf8_sequence_size(at, (size_t)(end - at)) : 0;
        if (size == 0)
            break;
        at += size;
    }
    store(target, run, (size_t)(at - run));
    reader->rest = (struct pe_cursor){.at = at, .left = (size_t)(end - at)};
}

static void parse_string(struct pe_json_reader *reader, struct target *target)
{
    expect_token(reader, '"', "a string is expected");
    for (;;) {
        parse_plain_run(reader, target);
        int stop = peek(reader);
        if (stop < 0) {
            pe_json_fault(reader, "a string is not terminated");
            return;
        }
        advance(reader);
        if (stop == '"')
            return;
        if (stop == '\\')
            parse_escape(reader, target);
        else
            pe_json_fault(reader, "a string has a control character or invalid UTF-8");
    }
}

/* Returns true if the string fits. */
static bool parse_text(struct pe_json_reader *reader, char *text, size_t size)
{
    struct target target = {.text = text, .room = size - 1};
    parse_string(reader, &target);
    text[reader->fault ? 0 : target.size < size ? target.size : size - 1] = '\0';
    return target.size < size;
}

void pe_json_parse_text(struct pe_json_reader *reader, char *text, size_t size)
{
    if (!parse_text(reader, text, size))
        pe_json_fault(reader, "a string is too long");
}

void pe_json_parse_text_cut(struct pe_json_reader *reader, char *text, size_t size)
{
    if (!parse_text(reader, text, size))
        text[size - 1 - pe_utf8_unfinished_size((const uint8_t *)text, size - 1)] = '\0';
}

char *pe_json_parse_new_text(struct pe_json_reader *reader, size_t *length)
{
    struct target nowhere = {.allows_nul = true};
    struct pe_json_reader before = *reader;
    parse_string(reader, &nowhere);
    struct target target = {.room = nowhere.size, .allows_nul = true};
    if (!reader->fault && !(target.text = malloc(nowhere.size + 1)))
        pe_json_fault(reader, "out of memory for a string");
    if (reader->fault)
        return NULL;
    parse_string(&before, &target);
    target.text[target.size] = '\0';
    *length = target.size;
    return target.text;
}

bool pe_json_next_member(struct pe_json_reader *reader, char *key, size_t size)
{
    if (!next(reader, '}'))
        return false;
    if (!parse_text(reader, key, size))
        key[0] = '\0';
    expect_token(reader, ':', "':' is expected");
    return !reader->fault;
}

/* ---- numbers and literals ---- */

static bool skip_digits(struct pe_json_reader *reader)
{
    bool any = false;
    for (int byte = peek(reader); byte >= '0' && byte <= '9'; byte = peek(reader)) {
        any = true;
        advance(reader);
    }
    return any;
}

static bool skip_fraction_and_exponent(struct pe_json_reader *reader)
{
    if (peek(reader) == '.') {
        advance(reader);
        if (!skip_digits(reader))
            return false;
    }
    if (peek(reader) != 'e' && peek(reader) != 'E')
        return true;
    advance(reader);
    if (peek(reader) == '+' || peek(reader) == '-')
        advance(reader);
    return skip_digits(reader);
}

/* Skip a number (RFC 8259 section 6) and return its characters. */
static struct pe_cursor scan_number(struct pe_json_reader *reader)
{
    peek_token(reader);
    struct pe_cursor number = reader->rest;
    if (peek(reader) == '-')
        advance(reader);
    bool zero = peek(reader) == '0';
    if (zero)
        advance(reader);
    bool has_integer = zero || skip_digits(reader);
    if (!has_integer || !skip_fraction_and_exponent(reader))
        pe_json_fault(reader, "a number is expected");
    number.left = reader->fault ? 0 : (size_t)(reader->rest.at - number.at);
    if (number.left > NUMBER_MAX)
        pe_json_fault(reader, "a number is too long");
    return number;
}

uint64_t pe_json_parse_number(struct pe_json_reader *reader, uint64_t most)
{
    struct pe_cursor number = scan_number(reader);
    uint64_t value = 0;
    for (; number.left && !reader->fault; pe_cursor_read(&number, 1)) {
        unsigned digit = *number.at - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value) || value > most)
            pe_json_fault(reader, "a number is out of range");
    }
    return reader->fault ? 0 : value;
}

uint64_t pe_json_parse_ms(struct pe_json_reader *reader, uint64_t most_us)
{
    struct pe_cursor number = scan_number(reader);
    char text[NUMBER_MAX + 1];
    if (reader->fault || (number.left == 1 && *number.at == '0'))
        return 0;
    memcpy(text, number.at, number.left);
    text[number.left] = '\0';
    double us = strtod(text, NULL) * 1000;
    return us > 0 && us < (double)most_us ? (uint64_t)(us + 0.5) : 0;
}

bool pe_json_parse_bool(struct pe_json_reader *reader)
{
    bool value = skip_literal(reader, "true", 4);
    if (!value && !skip_literal(reader, "false", 5))
        pe_json_fault(reader, "true or false is expected");
    return value;
}

bool pe_json_parse_null(struct pe_json_reader *reader)
{
    return skip_literal(reader, "null", 4);
}

/* ---- any value ---- */

static void skip_scalar(struct pe_json_reader *reader)
{
    struct target nowhere = {.allows_nul = true};
    int byte = peek_token(reader);
    if (byte == '"')
        parse_string(reader, &nowhere);
    else if (byte == 't' || byte == 'f')
        pe_json_parse_bool(reader);
    else if (!pe_json_parse_null(reader))
        scan_number(reader);
}

void pe_json_skip(struct pe_json_reader *reader)
{
    char closing[DEPTH_MAX], key[1];
    size_t depth = 0;
    do {
        if (depth && !(closing[depth - 1] == '}' ? pe_json_next_member(reader, key, sizeof key)
                                                 : pe_json_next_element(reader))) {
            depth--;
            continue;
        }
        int byte = peek_token(reader);
        if (byte != '{' && byte != '[') {
            skip_scalar(reader);
        } else if (depth == DEPTH_MAX) {
            pe_json_fault(reader, "the nesting is too deep");
        } else {
            pe_json_enter(reader, (char)byte);
            closing[depth++] = byte == '{' ? '}' : ']';
        }
    } while (depth && !reader->fault);
}

int pe_json_peek(struct pe_json_reader *reader)
{
    return peek_token(reader);
}

struct pe_cursor pe_json_parse_raw(struct pe_json_reader *reader)
{
    peek_token(reader);
    struct pe_cursor raw = reader->rest;
    pe_json_skip(reader);
    raw.left = reader->fault ? 0 : (size_t)(reader->rest.at - raw.at);
    return raw;
}

struct pe_cursor pe_json_behind_mark(const void *json, size_t size)
{
    struct pe_cursor text = {.at = json, .left = size};
    if (size >= 3 && !memcmp(json, "\xef\xbb\xbf", 3))
        pe_cursor_read(&text, 3);
    return text;
}

int pe_json_ended(struct pe_json_reader *reader, struct pe_error *err)
{
    if (!reader->fault && peek_token(reader) >= 0)
        pe_json_fault(reader, "there is text after the end");
    return reader->fault ? pe_fail(err, PE_ERR_MALFORMED, "JSON: %s", reader->fault) : 0;
}
