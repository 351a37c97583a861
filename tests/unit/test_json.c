/* SPDX-License-Identifier: Apache-2.0 */
/* The reader and the writer of JSON text. That the reader accepts what the JSON library accepts is
 * tests/fuzz/fuzz_json.c's. */
#include "codec/json_bounds.h"
#include "codec/json_reader.h"
#include "codec/json_writer.h"
#include "tests/unit/check.h"

static void assert_written(const struct pe_buf *out, const char *wanted)
{
    if (out->size != strlen(wanted) || memcmp(out->data, wanted, out->size) != 0)
        fail_msg("%.*s instead of %s", (int)out->size, (const char *)out->data, wanted);
}

static void what_is_written_has_its_commas_and_escapes(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autobuf struct pe_buf out = {0};
    struct pe_json_writer writer = pe_json_write(&out, &err);
    pe_json_open(&writer, NULL, '{');
    pe_json_append_text(&writer, "t", "a\"\\\n\x7f \xc3\xa4 \xff");
    pe_json_append_number(&writer, "n", UINT64_MAX);
    pe_json_open(&writer, "a", '[');
    pe_json_append_ms(&writer, NULL, 1002003);
    pe_json_append_ms(&writer, NULL, 7);
    pe_json_append_bool(&writer, NULL, true);
    pe_json_append_null(&writer, NULL);
    pe_json_close(&writer, ']');
    pe_json_open(&writer, "o", '{');
    pe_json_close(&writer, '}');
    pe_json_close(&writer, '}');
    assert_int_equal(pe_json_finish(&writer), 0);
    assert_written(&out,
                   "{\"t\":\"a\\\"\\\\\\u000a\\u007f \xc3\xa4 \xef\xbf\xbd\",\"n\":18446744073709551615,"
                   "\"a\":[1002.003,0.007,true,null],\"o\":{}}");
}

static void a_full_buffer_is_reported_at_the_end(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autobuf struct pe_buf out = {.limit = 8};
    struct pe_json_writer writer = pe_json_write(&out, &err);
    for (int i = 0; i < 20; i++)
        pe_json_append_text(&writer, NULL, "text");
    assert_int_equal(pe_json_finish(&writer), -1);
    assert_error(err, PE_ERR_TOO_LARGE, "8 bytes");
}

static void values_are_read_by_their_kind(void **state)
{
    (void)state;
    static const char text[] =
        " {\"t\" : \"\\u00e4\\ud83d\\ude00\\n\", \"n\":12,\"ms\":1.2345e1,\"b\":false,\"z\":null,"
        "\"skip\":[{\"a\":[]},\"]\"],\"e\":[1,2]} ";
    struct pe_json_reader in = pe_json_read(text, sizeof text - 1);
    struct pe_error err;
    char key[8], value[16] = "";
    uint64_t number = 0, ms = 0, sum = 0;
    bool flag = true, null = false;
    pe_json_enter(&in, '{');
    while (pe_json_next_member(&in, key, sizeof key))
        if (!strcmp(key, "t"))
            pe_json_parse_text(&in, value, sizeof value);
        else if (!strcmp(key, "n"))
            number = pe_json_parse_number(&in, 12);
        else if (!strcmp(key, "ms"))
            ms = pe_json_parse_ms(&in, 1000000);
        else if (!strcmp(key, "b"))
            flag = pe_json_parse_bool(&in);
        else if (!strcmp(key, "z"))
            null = pe_json_parse_null(&in);
        else if (!strcmp(key, "e"))
            for (pe_json_enter(&in, '['); pe_json_next_element(&in);)
                sum += pe_json_parse_number(&in, 9);
        else
            pe_json_skip(&in);
    assert_int_equal(pe_json_ended(&in, &err), 0);
    assert_string_equal(value, "\xc3\xa4\xf0\x9f\x98\x80\n");
    assert_int_equal(number, 12);
    assert_int_equal(ms, 12345);
    assert_int_equal(sum, 3);
    assert_false(flag);
    assert_true(null);
}

static void what_is_skipped_may_have_any_character(void **state)
{
    (void)state;
    static const char text[] = "[{\"a\":\"x\\u0000y\"},\"\\u0000\"]";
    struct pe_error err;
    struct pe_json_reader in = pe_json_read(text, strlen(text));
    struct pe_cursor raw = pe_json_parse_raw(&in);
    assert_int_equal(raw.left, strlen(text));
    assert_int_equal(pe_json_ended(&in, &err), 0);
}

static void fault_of(const char *text, const char *text_part)
{
    struct pe_json_reader in = pe_json_read(text, strlen(text));
    struct pe_error err;
    char buffer[4];
    if (*text == '"')
        pe_json_parse_text(&in, buffer, sizeof buffer);
    else if (*text >= '0' && *text <= '9')
        pe_json_parse_number(&in, 99);
    else
        pe_json_skip(&in);
    assert_int_equal(pe_json_ended(&in, &err), -1);
    assert_error(err, PE_ERR_MALFORMED, text_part);
}

static void what_is_not_as_asked_for_is_a_fault(void **state)
{
    (void)state;
    fault_of("\"four\"", "too long");
    fault_of("\"\\u0000\"", "NUL");
    fault_of("\"\\ud800x\"", "unpaired surrogate");
    fault_of("\"\\ud83d \\ude00\"", "unpaired surrogate"); /* a blank between the two halves */
    fault_of("\"\\ud83d\n\\ude00\"", "unpaired surrogate");
    fault_of("\"\\x\"", "escape");
    fault_of("\"a", "not terminated");
    fault_of("\"\xc3\"", "UTF-8");
    fault_of("\"\n\"", "control character");
    fault_of("100", "out of range");
    fault_of("1.5", "out of range");
    fault_of("01", "after the end");
    fault_of("{\"a\":1,}", "string is expected");
    fault_of("[1 2]", "','");
    fault_of("", "number is expected");
    char deep[200];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    fault_of(deep, "too deep");
}

static void check_bounds(const char *text, size_t values)
{
    struct pe_error err;
    assert_int_equal(pe_json_check_bounds(text, strlen(text), values, &err), 0);
    assert_int_equal(pe_json_check_bounds(text, strlen(text), values - 1, &err), -1);
    assert_error(err, PE_ERR_TOO_LARGE, "values");
}

static void the_values_of_a_text_are_counted_before_it_is_parsed(void **state)
{
    (void)state;
    check_bounds("{\"a\": [1, 2, {}], \"b\": \"[,{\"}", 7); /* an empty container counts as if it had one */
    check_bounds("[\"\\\",[\", \"\\\\\", []]", 5);
    check_bounds("[{},{},{}]", 7);
    check_bounds("[\"not terminated, [", 2);
    check_bounds("]]],", 2);
}

static void a_text_that_is_nested_too_deep_is_refused(void **state)
{
    (void)state;
    struct pe_error err;
    char text[PE_JSON_DEPTH_MAX + 1];
    memset(text, '[', sizeof text);
    assert_int_equal(pe_json_check_bounds(text, PE_JSON_DEPTH_MAX, 1000, &err), 0);
    assert_int_equal(pe_json_check_bounds(text, sizeof text, 1000, &err), -1);
    assert_error(err, PE_ERR_MALFORMED, "nested deeper than 64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_has_its_commas_and_escapes),
        cmocka_unit_test(a_full_buffer_is_reported_at_the_end),
        cmocka_unit_test(the_values_of_a_text_are_counted_before_it_is_parsed),
        cmocka_unit_test(a_text_that_is_nested_too_deep_is_refused),
        cmocka_unit_test(values_are_read_by_their_kind),
        cmocka_unit_test(what_is_not_as_asked_for_is_a_fault),
        cmocka_unit_test(what_is_skipped_may_have_any_character),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
