/* Reading JSON text. Everything looks at most at the next byte, through the cursor. */
#include "codec/json_reader.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_MAX = 64,  /* of a value that is skipped */
    NUMBER_MAX = 40, /* characters of a number; no sender of ours needs more */
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

/* The next byte, not taken; -1 at the end. */
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

static bool take_token(struct pe_json_reader *reader, char token)
{
    if (peek_token(reader) != token)
        return false;
    advance(reader);
    return true;
}

static void want_token(struct pe_json_reader *reader, char token, const char *otherwise)
{
    if (!take_token(reader, token))
        pe_json_fault(reader, otherwise);
}

static bool take_word(struct pe_json_reader *reader, const char *word, size_t size)
{
    if (peek_token(reader) < 0 || reader->rest.left < size || memcmp(reader->rest.at, word, size) != 0)
        return false;
    pe_cursor_read(&reader->rest, size);
    return true;
}

/* ---- objects and arrays ---- */

void pe_json_enter(struct pe_json_reader *reader, char bracket)
{
    want_token(reader, bracket, bracket == '{' ? "an object is expected" : "an array is expected");
    reader->first = true;
}

static bool next(struct pe_json_reader *reader, char closing)
{
    bool first = reader->first;
    reader->first = false;
    if (take_token(reader, closing))
        return false;
    if (!first)
        want_token(reader, ',', "',' or an end is expected");
    return !reader->fault;
}

bool pe_json_next_element(struct pe_json_reader *reader)
{
    return next(reader, ']');
}

/* ---- strings ---- */

/* Where a string goes: as much of it as there is room for, or nowhere. */
struct target {
    char *text;
    size_t room, size; /* `size`: also what did not fit */
    bool takes_nul;
};

static void store(struct target *target, const uint8_t *bytes, size_t size)
{
    size_t left = target->size < target->room ? target->room - target->size : 0;
    if (left)
        memcpy(target->text + target->size, bytes, size < left ? size : left);
    target->size += size;
}

static unsigned take_hex4(struct pe_json_reader *reader)
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
        pe_json_fault(reader, "a broken escape");
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
    if (bytes[0] == 0 && !target->takes_nul)
        pe_json_fault(reader, "a NUL character");
    store(target, bytes, size);
}

/* Behind "\u"; a character beyond U+FFFF comes as two (RFC 8259 section 7). */
static void take_unicode(struct pe_json_reader *reader, struct target *target)
{
    unsigned code = take_hex4(reader);
    if (code >= 0xd800 && code < 0xdc00 && take_word(reader, "\\u", 2)) {
        unsigned low = take_hex4(reader);
        code = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : 0xd800;
    }
    if (code >= 0xd800 && code < 0xe000)
        pe_json_fault(reader, "half a character");
    else
        store_character(reader, target, code);
}

static void take_escape(struct pe_json_reader *reader, struct target *target)
{
    static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    const uint8_t *name = pe_cursor_read(&reader->rest, 1);
    const char *at = name && *name ? strchr(names, *name) : NULL;
    if (at)
        store(target, (const uint8_t *)&means[at - names], 1);
    else if (name && *name == 'u')
        take_unicode(reader, target);
    else
        pe_json_fault(reader, "a broken escape");
}

/* ASCII that stands for itself in a string. */
static const bool plain[256] = {
    [0x20 ... '"' - 1] = true, ['"' + 1 ... '\\' - 1] = true, ['\\' + 1 ... 0x7f] = true};

/* Bytes up to the next quote or backslash. */
static void take_run(struct pe_json_reader *reader, struct target *target)
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

static void take_string(struct pe_json_reader *reader, struct target *target)
{
    want_token(reader, '"', "a string is expected");
    for (;;) {
        take_run(reader, target);
        int stop = peek(reader);
        if (stop < 0) {
            pe_json_fault(reader, "a string without an end");
            return;
        }
        advance(reader);
        if (stop == '"')
            return;
        if (stop == '\\')
            take_escape(reader, target);
        else
            pe_json_fault(reader, "a string with a control character, or without UTF-8");
    }
}

/* Returns whether all of it fitted. */
static bool take_text(struct pe_json_reader *reader, char *text, size_t size)
{
    struct target target = {.text = text, .room = size - 1};
    take_string(reader, &target);
    text[reader->fault ? 0 : target.size < size ? target.size : size - 1] = '\0';
    return target.size < size;
}

void pe_json_parse_text(struct pe_json_reader *reader, char *text, size_t size)
{
    if (!take_text(reader, text, size))
        pe_json_fault(reader, "a string that is too long");
}

void pe_json_parse_text_cut(struct pe_json_reader *reader, char *text, size_t size)
{
    (void)take_text(reader, text, size);
}

char *pe_json_parse_new_text(struct pe_json_reader *reader, size_t *length)
{
    struct target nowhere = {.takes_nul = true};
    struct pe_json_reader before = *reader;
    take_string(reader, &nowhere);
    struct target target = {.room = nowhere.size, .takes_nul = true};
    if (!reader->fault && !(target.text = malloc(nowhere.size + 1)))
        pe_json_fault(reader, "a string that there is no memory for");
    if (reader->fault)
        return NULL;
    take_string(&before, &target);
    target.text[target.size] = '\0';
    *length = target.size;
    return target.text;
}

bool pe_json_next_member(struct pe_json_reader *reader, char *key, size_t size)
{
    if (!next(reader, '}'))
        return false;
    if (!take_text(reader, key, size))
        key[0] = '\0';
    want_token(reader, ':', "':' is expected");
    return !reader->fault;
}

/* ---- numbers and words ---- */

static bool take_digits(struct pe_json_reader *reader)
{
    bool any = false;
    for (int byte = peek(reader); byte >= '0' && byte <= '9'; byte = peek(reader)) {
        any = true;
        advance(reader);
    }
    return any;
}

static bool take_fraction_and_exponent(struct pe_json_reader *reader)
{
    if (peek(reader) == '.') {
        advance(reader);
        if (!take_digits(reader))
            return false;
    }
    if (peek(reader) != 'e' && peek(reader) != 'E')
        return true;
    advance(reader);
    if (peek(reader) == '+' || peek(reader) == '-')
        advance(reader);
    return take_digits(reader);
}

/* The characters of a number, as RFC 8259 section 6 has them. */
static struct pe_cursor take_number(struct pe_json_reader *reader)
{
    peek_token(reader);
    struct pe_cursor number = reader->rest;
    if (peek(reader) == '-')
        advance(reader);
    bool zero = peek(reader) == '0';
    if (zero)
        advance(reader);
    bool whole = zero || take_digits(reader);
    if (!whole || !take_fraction_and_exponent(reader))
        pe_json_fault(reader, "a number is expected");
    number.left = reader->fault ? 0 : (size_t)(reader->rest.at - number.at);
    if (number.left > NUMBER_MAX)
        pe_json_fault(reader, "a number that is too long");
    return number;
}

uint64_t pe_json_parse_number(struct pe_json_reader *reader, uint64_t most)
{
    struct pe_cursor number = take_number(reader);
    uint64_t value = 0;
    for (; number.left && !reader->fault; pe_cursor_read(&number, 1)) {
        unsigned digit = *number.at - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value) || value > most)
            pe_json_fault(reader, "a number out of range");
    }
    return reader->fault ? 0 : value;
}

uint64_t pe_json_parse_ms(struct pe_json_reader *reader, uint64_t most_us)
{
    struct pe_cursor number = take_number(reader);
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
    bool value = take_word(reader, "true", 4);
    if (!value && !take_word(reader, "false", 5))
        pe_json_fault(reader, "true or false is expected");
    return value;
}

bool pe_json_parse_null(struct pe_json_reader *reader)
{
    return take_word(reader, "null", 4);
}

/* ---- any value ---- */

static void skip_scalar(struct pe_json_reader *reader)
{
    struct target nowhere = {0};
    int byte = peek_token(reader);
    if (byte == '"')
        take_string(reader, &nowhere);
    else if (byte == 't' || byte == 'f')
        pe_json_parse_bool(reader);
    else if (!pe_json_parse_null(reader))
        take_number(reader);
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
            pe_json_fault(reader, "too deep");
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

int pe_json_ended(struct pe_json_reader *reader, struct pe_error *err)
{
    if (!reader->fault && peek_token(reader) >= 0)
        pe_json_fault(reader, "more text behind the end");
    return reader->fault ? pe_fail(err, PE_ERR_MALFORMED, "JSON: %s", reader->fault) : 0;
}
