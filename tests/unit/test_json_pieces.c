/* SPDX-License-Identifier: Apache-2.0 */
/* JSON with large values is the same text in pieces of any size, and no piece is much larger than asked. */
#include "codec/json_pieces.h"

#include "proto/job_spec.h"
#include "tests/unit/check.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
    LARGE = PE_JSON_LARGE_SIZE + 1001,
    CHARACTER_MAX = 6,
};

/* Bytes of a large value: a text of characters with one to four bytes, control characters, or no text. */
static void fill(struct pe_buf *bytes, const char *unit)
{
    struct pe_error err;
    while (bytes->size < LARGE)
        assert_int_equal(pe_buf_append_text(bytes, unit, &err), 0);
}

static void write_all(struct pe_json_pieces *pieces, const struct pe_buf *values, size_t count)
{
    struct pe_error err;
    char name[] = "a";
    struct pe_json_writer writer = pe_json_write(&pieces->text, &err);
    pe_json_open(&writer, NULL, '{');
    for (size_t i = 0; i < count; i++, name[0]++)
        pe_json_pieces_append(pieces, &writer, name, &values[i]);
    pe_json_append_number(&writer, "end", 1);
    pe_json_close(&writer, '}');
    assert_int_equal(pe_json_finish(&writer), 0);
}

/* Take everything, at most `most` bytes at a time. */
static void take_all(struct pe_json_pieces *pieces, size_t most, struct pe_buf *out)
{
    struct pe_error err;
    while (!pe_json_pieces_ended(pieces)) {
        size_t work = most;
        const size_t before = out->size;
        assert_int_equal(pe_json_pieces_take(pieces, out, &work, &err), 0);
        assert_true(work < most);
        assert_true(out->size - before <= most + CHARACTER_MAX + strlen("{\"base64\":\"\"}"));
    }
}

static void a_text_is_the_same_in_pieces_of_any_size(void **state)
{
    static const char *const units[] = {"a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n", "\x01", "\xff", "short"};
    struct pe_buf values[4] = {0};
    (void)state;
    for (size_t i = 0; i < 3; i++)
        fill(&values[i], units[i]);
    struct pe_error err;
    assert_int_equal(pe_buf_append_text(&values[3], units[3], &err), 0);
    for (size_t most = 1; most < 3 * LARGE; most += 1 + most / 2) {
        pe_autojsonpieces struct pe_json_pieces pieces = {0};
        pe_autobuf struct pe_buf out = {0};
        write_all(&pieces, values, 4);
        take_all(&pieces, most, &out);
        pe_autojson json_t *json = json_loadb((const char *)out.data, out.size, 0, NULL);
        assert_non_null(json);
        for (size_t i = 0; i < 2; i++) {
            const json_t *value = json_object_get(json, i ? "b" : "a");
            assert_int_equal(json_string_length(value), values[i].size);
            assert_memory_equal(json_string_value(value), values[i].data, values[i].size);
        }
        const char *base64 = json_string_value(json_object_get(json_object_get(json, "c"), "base64"));
        assert_int_equal(strlen(base64), (values[2].size + 2) / 3 * 4);
        assert_string_equal(json_string_value(json_object_get(json, "d")), "short");
        assert_int_equal(json_integer_value(json_object_get(json, "end")), 1);
    }
    for (size_t i = 0; i < 4; i++)
        pe_buf_free(&values[i]);
}

static void a_text_with_copies_does_not_need_its_values_any_more(void **state)
{
    struct pe_error err;
    pe_autojsonpieces struct pe_json_pieces pieces = {0};
    pe_autobuf struct pe_buf value = {0}, expected = {0}, out = {0};
    (void)state;
    fill(&value, "x");
    write_all(&pieces, &value, 1);
    assert_true(pe_json_pieces_bytes(&pieces) > LARGE);
    assert_int_equal(pe_json_pieces_own(&pieces, &err), 0);
    pe_buf_free(&value);
    fill(&value, "y"); /* perhaps in the memory that was freed */
    take_all(&pieces, 100, &out);
    assert_int_equal(out.size, strlen("{\"a\":\"\",\"end\":1}") + value.size);
    fill(&expected, "x");
    assert_memory_equal(out.data + strlen("{\"a\":\""), expected.data, expected.size);
}

static void too_many_large_values_are_an_error(void **state)
{
    struct pe_error err;
    pe_autojsonpieces struct pe_json_pieces pieces = {0};
    pe_autobuf struct pe_buf value = {0};
    struct pe_json_writer writer = pe_json_write(&pieces.text, &err);
    (void)state;
    fill(&value, "x");
    pe_json_open(&writer, NULL, '[');
    for (int i = 0; i <= PE_JSON_LARGE_MAX; i++)
        pe_json_pieces_append(&pieces, &writer, NULL, &value);
    assert_int_equal(pe_json_finish(&writer), -1);
    assert_int_equal(err.kind, PE_ERR_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_the_same_in_pieces_of_any_size),
        cmocka_unit_test(a_text_with_copies_does_not_need_its_values_any_more),
        cmocka_unit_test(too_many_large_values_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
