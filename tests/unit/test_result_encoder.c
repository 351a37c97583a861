/* SPDX-License-Identifier: Apache-2.0 */
/* The bodies of responses: what they hold, and that they are made in small pieces. */
#include "lb/api/result_encoder.h"

#include "base/cleanup.h"
#include "tests/unit/check.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How far a piece may go beyond its size: fields of the result, the head of one part, the end. A form
 * has the attributes of all files and folders in one piece. */
enum { BEYOND = 8192, ATTRIBUTES = 64 };

static size_t account;

struct stream {
    enum pe_part_kind kind;
    const char *name;
    const void *bytes;
    size_t size;
};

/* A complete result. The caller drops the reference. */
static struct job_result *make_result(const struct stream *streams, size_t count)
{
    struct pe_error err;
    struct pe_result fields = {.status = PE_STATUS_EXITED, .image = "gcc:14"};
    struct pe_parts parts = {0};
    for (size_t i = 0; i < count; i++) {
        struct pe_path path;
        const char *name = streams[i].name ? streams[i].name : "none";
        assert_int_equal(pe_path_parse(name, strlen(name), 0, &path, &err), 0);
        assert_int_equal(pe_parts_add(&parts, streams[i].kind, &path, streams[i].size, 0644, &err), 0);
    }
    struct job_result *result = job_result_new(&account, &fields, &parts, &err);
    assert_non_null(result);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(job_result_append(result, streams[i].bytes, streams[i].size, &err), 0);
    assert_int_equal(job_result_finish(result, &err), 0);
    return result;
}

/* The whole body, made of pieces of at most about `room` bytes. The caller frees it. */
static struct pe_buf encode(struct job_result *result, enum result_format format, size_t room)
{
    struct pe_error err;
    struct pe_buf body = {0};
    struct result_encoder encoder;
    assert_int_equal(result_encoder_begin(&encoder, format, result, &result->fields, &err), 0);
    while (!encoder.ended) {
        assert_int_equal(result_encoder_fill(&encoder, room, &err), 0);
        assert_true(encoder.out.size > 0);
        assert_true(encoder.out.size <= room + BEYOND + result->parts.count * ATTRIBUTES);
        assert_int_equal(pe_buf_append(&body, encoder.out.data, encoder.out.size, &err), 0);
        encoder.out.size = 0;
    }
    result_encoder_free(&encoder);
    return body;
}

/* Check that a member is this text. */
static void check_text(const json_t *object, const char *key, const void *bytes, size_t size)
{
    const json_t *text = json_object_get(object, key);
    assert_int_equal(json_string_length(text), size);
    assert_memory_equal(json_string_value(text), bytes, size);
}

static uint8_t every_byte[256], controls[256];

static void fill_bytes(void)
{
    for (int i = 0; i < 256; i++) {
        every_byte[i] = (uint8_t)i;
        controls[i] = (uint8_t)(i & 127); /* all ASCII characters, twice */
    }
}

static void the_json_is_the_same_in_pieces_of_any_size(void **state)
{
    (void)state;
    fill_bytes();
    static const char accents[] = "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
    const struct stream streams[] = {
        {PE_PART_STDOUT, NULL, controls, 256},     {PE_PART_STDERR, NULL, every_byte, 256},
        {PE_PART_COMBINED, NULL, "", 0},           {PE_PART_FILE, "a\xff\n", accents, sizeof accents - 1},
        {PE_PART_FOLDER, "folder", "", 0},         {PE_PART_FILE, "empty", "", 0},
        {PE_PART_FOLDER, "other", "", 0},          {PE_PART_FILE, "one", every_byte + 255, 1},
        {PE_PART_FILE, "two", every_byte + 254, 2}};
    struct job_result *result = make_result(streams, sizeof streams / sizeof *streams);
    pe_autobuf struct pe_buf whole = encode(result, RESULT_JSON, SIZE_MAX / 2);
    for (size_t room = 1; room < 700; room++) {
        pe_autobuf struct pe_buf pieces = encode(result, RESULT_JSON, room);
        assert_int_equal(pieces.size, whole.size);
        assert_memory_equal(pieces.data, whole.data, whole.size);
    }
    pe_autojson json_t *json = json_loadb((const char *)whole.data, whole.size, JSON_ALLOW_NUL, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "status")), "exited");
    check_text(json, "stdout", controls, 256);
    check_text(json, "combined", "", 0);
    assert_int_equal(strlen(json_string_value(json_object_get(json_object_get(json, "stderr"), "base64"))),
                     344);
    const json_t *files = json_object_get(json, "files");
    assert_int_equal(json_array_size(files), 4);
    check_text(json_array_get(files, 0), "name", "a\xef\xbf\xbd\n", 5);
    check_text(json_array_get(files, 0), "name_base64", "Yf8K", 4);
    check_text(json_array_get(files, 0), "text", accents, sizeof accents - 1);
    check_text(json_array_get(files, 1), "text", "", 0);
    check_text(json_array_get(files, 2), "base64", "/w==", 4);
    check_text(json_array_get(files, 3), "base64", "/v8=", 4);
    const json_t *folders = json_object_get(json, "folders");
    assert_int_equal(json_array_size(folders), 2);
    check_text(json_array_get(folders, 1), "name", "other", 5);
    check_text(json_array_get(folders, 1), "mode", "0644", 4);
    job_result_unref(result);
    assert_int_equal(account, 0);
}

static void a_large_result_is_encoded_in_pieces(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20, ROOM = 64 * 1024 };
    uint8_t *bytes = malloc(SIZE);
    const struct stream streams[] = {
        {PE_PART_STDOUT, NULL, "", 0}, {PE_PART_STDERR, NULL, "", 0}, {PE_PART_FILE, "f", bytes, SIZE}};
    memset(bytes, 1, SIZE); /* "\u0001" */
    struct job_result *result = make_result(streams, 3);
    for (int format = 0; format < RESULT_FORMATS; format++) {
        pe_autobuf struct pe_buf body = encode(result, (enum result_format)format, ROOM);
        assert_true(body.size >= (format == RESULT_JSON ? 6u : 1u) * SIZE);
    }
    job_result_unref(result);
    free(bytes);
}

static void many_empty_files_are_encoded_in_pieces(void **state)
{
    (void)state;
    enum { FILES = 2000 };
    struct stream *streams = calloc(FILES + 2, sizeof *streams);
    char(*names)[300] = calloc(FILES, sizeof *names);
    streams[0] = (struct stream){PE_PART_STDOUT, NULL, "", 0};
    streams[1] = (struct stream){PE_PART_STDERR, NULL, "", 0};
    for (int i = 0; i < FILES; i++) {
        memset(names[i], 1, 200);
        snprintf(names[i] + 200, 100, "%d", i);
        streams[i + 2] = (struct stream){i % 2 ? PE_PART_FILE : PE_PART_FOLDER, names[i], "", 0};
    }
    struct job_result *result = make_result(streams, FILES + 2);
    for (int format = 0; format < RESULT_FORMATS; format++) {
        pe_autobuf struct pe_buf body = encode(result, (enum result_format)format, 1024);
        assert_true(body.size > FILES * 200u);
    }
    job_result_unref(result);
    free(names);
    free(streams);
}

static void a_stored_result_whose_parts_are_out_of_order_is_no_json(void **state)
{
    (void)state;
    struct pe_error err;
    const struct stream streams[] = {{PE_PART_FILE, "f", "", 0}, {PE_PART_STDOUT, NULL, "", 0}};
    struct job_result *result = make_result(streams, 2);
    struct result_encoder encoder;
    assert_int_equal(result_encoder_begin(&encoder, RESULT_JSON, result, &result->fields, &err), 0);
    assert_int_equal(result_encoder_fill(&encoder, SIZE_MAX, &err), -1);
    assert_error(err, PE_ERR_MALFORMED, "out of order");
    result_encoder_free(&encoder);
    job_result_unref(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_json_is_the_same_in_pieces_of_any_size),
        cmocka_unit_test(a_large_result_is_encoded_in_pieces),
        cmocka_unit_test(many_empty_files_are_encoded_in_pieces),
        cmocka_unit_test(a_stored_result_whose_parts_are_out_of_order_is_no_json),
    };
    return cmocka_run_group_tests_name("result_encoder", tests, NULL, NULL);
}
