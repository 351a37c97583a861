/* SPDX-License-Identifier: Apache-2.0 */
/* JSON that this project writes, of any bytes. The reader and the JSON library accept it, texts that
 * are UTF-8 come back unchanged, and what is written in pieces is the same as in one. */
#include "base/cleanup.h"
#include "codec/json_reader.h"
#include "codec/json_text.h"
#include "codec/json_writer.h"
#include "codec/utf8_text.h"
#include "proto/job_spec.h"
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <openssl/evp.h>

static void write_object(const void *bytes, size_t size, struct pe_buf *out)
{
    struct pe_error err;
    struct pe_json_writer writer = pe_json_write(out, &err);
    pe_json_open(&writer, NULL, '{');
    pe_json_append_bytes(&writer, "bytes", bytes, size);
    pe_json_open(&writer, "list", '[');
    pe_json_append_number(&writer, NULL, size);
    pe_json_append_ms(&writer, NULL, size * 997);
    pe_json_append_null(&writer, NULL);
    pe_json_close(&writer, ']');
    pe_json_append_bool(&writer, "bool", size % 2);
    pe_json_close(&writer, '}');
    HOLDS(pe_json_finish(&writer) == 0);
}

/* The text of the first member, as this project's reader reads it. */
static char *read_member(const struct pe_buf *text, size_t *length)
{
    char key[16];
    struct pe_error err;
    struct pe_json_reader reader = pe_json_read(text->data, text->size);
    pe_json_enter(&reader, '{');
    HOLDS(pe_json_next_member(&reader, key, sizeof key) && !strcmp(key, "bytes"));
    char *member = pe_json_parse_new_text(&reader, length);
    while (pe_json_next_member(&reader, key, sizeof key))
        pe_json_skip(&reader);
    HOLDS(member && pe_json_ended(&reader, &err) == 0);
    return member;
}

static void check_object(const void *bytes, size_t size)
{
    pe_autobuf struct pe_buf text = {0};
    size_t length = 0;
    write_object(bytes, size, &text);
    pe_autofree char *read = read_member(&text, &length);
    pe_autojson json_t *json = json_loadb((const char *)text.data, text.size, JSON_ALLOW_NUL, NULL);
    const json_t *member = json_object_get(json, "bytes");
    HOLDS(json_string_length(member) == length && !memcmp(json_string_value(member), read, length));
    if (pe_utf8_valid(bytes, size))
        HOLDS(length == size && (!size || !memcmp(read, bytes, size)));
}

/* Write in pieces of `piece` bytes. */
static void write_pieces(int (*append)(struct pe_buf *, struct pe_cursor *, size_t, struct pe_error *),
                         struct pe_cursor bytes, size_t piece, struct pe_buf *out)
{
    struct pe_error err;
    do {
        size_t before = out->size;
        HOLDS(append(out, &bytes, before + piece, &err) == 0);
        HOLDS(out->size - before <= piece + 6 && (out->size > before || !bytes.left));
    } while (bytes.left);
}

static void check_pieces(struct pe_cursor bytes, size_t piece)
{
    pe_autobuf struct pe_buf whole = {0}, pieces = {0}, base64 = {0};
    pe_autofree char *expected = malloc(bytes.left / 3 * 4 + 5);
    HOLDS(expected);
    write_pieces(pe_json_append_escaped, bytes, SIZE_MAX / 2, &whole);
    write_pieces(pe_json_append_escaped, bytes, piece, &pieces);
    HOLDS(whole.size == pieces.size && (!whole.size || !memcmp(whole.data, pieces.data, whole.size)));
    write_pieces(pe_json_append_base64, bytes, piece, &base64);
    size_t size = (size_t)EVP_EncodeBlock((unsigned char *)expected, bytes.at, (int)bytes.left);
    HOLDS(base64.size == size && (!size || !memcmp(base64.data, expected, size)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_cursor rest = {.at = bytes, .left = size};
    size_t piece = 1 + fuzz_byte(&rest);
    check_object(rest.at, rest.left);
    check_pieces(rest, piece);
    return 0;
}
