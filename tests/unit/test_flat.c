/* SPDX-License-Identifier: Apache-2.0 */
/* Flat key=value text. */
#include "codec/flat.h"
#include "tests/unit/check.h"

static void what_is_appended_is_read_back(void **state)
{
    (void)state;
    struct pe_error err;
    struct pe_flat_entry entry;
    pe_autobuf struct pe_buf text = {0};
    assert_int_equal(pe_flat_append(&text, "reason", "line one\nback\\slash=x", &err), 0);
    assert_int_equal(pe_flat_append_u64(&text, "wall_us", 1234567890123ull, &err), 0);
    struct pe_cursor cursor = {text.data, text.size};
    assert_int_equal(pe_flat_next(&cursor, &entry, &err), 1);
    assert_string_equal(entry.key, "reason");
    assert_string_equal(entry.value, "line one\nback\\slash=x");
    assert_int_equal(pe_flat_next(&cursor, &entry, &err), 1);
    uint64_t number = 0;
    struct pe_flat_number numbers[] = {{"other", 1, NULL, false}, {"wall_us", UINT64_MAX, &number, false}};
    assert_int_equal(pe_flat_parse_number(&entry, numbers, 1, &err), 0);
    assert_int_equal(pe_flat_parse_number(&entry, numbers, 2, &err), 1);
    assert_false(numbers[0].found);
    assert_true(numbers[1].found);
    assert_int_equal(number, 1234567890123ull);
    assert_int_equal(pe_flat_next(&cursor, &entry, &err), 0);
}

static void refused(const char *text, size_t size)
{
    struct pe_error err;
    struct pe_flat_entry entry;
    struct pe_cursor cursor = {(const uint8_t *)text, size};
    assert_int_equal(pe_flat_next(&cursor, &entry, &err), -1);
    assert_int_equal(err.kind, PE_ERR_MALFORMED);
}

static void malformed_lines_are_refused(void **state)
{
    (void)state;
    refused("a=b", 3);
    refused("=b\n", 3);
    refused("no equals\n", 10);
    refused("KEY=b\n", 6);
    refused("a=\0\n", 4);
    refused("a=\\x\n", 5);
    refused("a=\\\n", 4);
    char longest[PE_FLAT_VALUE_MAX + 8];
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "a=", 2);
    longest[sizeof longest - 1] = '\n';
    refused(longest, sizeof longest);
}

static void numbers_have_a_range(void **state)
{
    (void)state;
    struct pe_error err;
    uint64_t number = 7;
    const char *const bad[] = {"", "-1", "12x", "99999999999999999999", "256"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct pe_flat_entry entry = {.key = "n"};
        strcpy(entry.value, bad[i]);
        struct pe_flat_number numbers[] = {{"n", 255, &number, false}};
        assert_int_equal(pe_flat_parse_number(&entry, numbers, 1, &err), -1);
    }
    assert_int_equal(number, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_is_read_back),
        cmocka_unit_test(malformed_lines_are_refused),
        cmocka_unit_test(numbers_have_a_range),
    };
    return cmocka_run_group_tests_name("flat", tests, NULL, NULL);
}
