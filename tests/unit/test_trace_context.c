/* SPDX-License-Identifier: Apache-2.0 */
/* The values of `traceparent` and `tracestate` that W3C Trace Context allows and forbids. */
#include "codec/trace_context.h"
#include "tests/unit/check.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

static bool parse(const char *text, struct pe_trace *trace)
{
    return pe_traceparent_parse(text, strlen(text), trace);
}

static void a_value_is_read_and_written(void **state)
{
    (void)state;
    struct pe_trace trace;
    char text[PE_TRACEPARENT_SIZE + 1];
    assert_true(parse("00-" TRACE "-" SPAN "-01", &trace));
    assert_string_equal(trace.trace_id, TRACE);
    assert_string_equal(trace.span_id, SPAN);
    assert_int_equal(trace.flags, PE_TRACE_SAMPLED);
    pe_traceparent_format(&trace, text);
    assert_string_equal(text, "00-" TRACE "-" SPAN "-01");
}

static void unknown_flags_are_not_passed_on(void **state)
{
    (void)state;
    struct pe_trace trace;
    char text[PE_TRACEPARENT_SIZE + 1];
    assert_true(parse("00-" TRACE "-" SPAN "-fe", &trace));
    pe_traceparent_format(&trace, text);
    assert_string_equal(text, "00-" TRACE "-" SPAN "-02");
}

static void what_a_later_version_adds_is_ignored(void **state)
{
    (void)state;
    struct pe_trace trace;
    assert_true(parse("01-" TRACE "-" SPAN "-01", &trace));
    assert_true(parse("fe-" TRACE "-" SPAN "-01-more", &trace));
    assert_string_equal(trace.trace_id, TRACE);
    assert_false(parse("01-" TRACE "-" SPAN "-01more", &trace));
}

static void other_values_are_no_trace(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "00",
                                        "00-" TRACE "-" SPAN,
                                        "00-" TRACE "-" SPAN "-1",
                                        "00-" TRACE "-" SPAN "-01-more",
                                        "00-" TRACE "-" SPAN "-0x",
                                        "00-" TRACE "-" SPAN "-01 ",
                                        "ff-" TRACE "-" SPAN "-01",
                                        "0g-" TRACE "-" SPAN "-01",
                                        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
                                        "00-00000000000000000000000000000000-" SPAN "-01",
                                        "00-" TRACE "-0000000000000000-01",
                                        "00_" TRACE "-" SPAN "-01",
                                        "00-" TRACE "_" SPAN "-01",
                                        "00-" TRACE "-" SPAN "_01"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct pe_trace trace;
        assert_false(parse(wrong[i], &trace));
        assert_false(pe_trace_is_set(&trace));
    }
}

static bool parse_state(const char *text, struct pe_trace *trace)
{
    const struct pe_cursor value = {.at = (const uint8_t *)text, .left = strlen(text)};
    return pe_tracestate_parse(&value, 1, trace);
}

static void members_of_a_state_are_kept_in_their_order(void **state)
{
    (void)state;
    struct pe_trace trace;
    const char *const lists[][2] = {{"", ""},
                                    {" , ,", ""},
                                    {"a=1", "a=1"},
                                    {" b=2 ,\t,c=3\t", "b=2,c=3"},
                                    {"9tenant@system=x y;z:!", "9tenant@system=x y;z:!"},
                                    {"a_-*/@z= 1", "a_-*/@z= 1"}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        assert_true(parse_state(lists[i][0], &trace));
        assert_string_equal(trace.state, lists[i][1]);
    }
}

static void values_of_a_state_are_one_list(void **state)
{
    (void)state;
    struct pe_trace trace;
    const struct pe_cursor values[] = {{.at = (const uint8_t *)"a=1,", .left = 4},
                                       {.at = NULL, .left = 0},
                                       {.at = (const uint8_t *)"b=2,c=3", .left = 7}};
    assert_true(pe_tracestate_parse(values, 3, &trace));
    assert_string_equal(trace.state, "a=1,b=2,c=3");
}

static void other_states_are_discarded(void **state)
{
    (void)state;
    static const char *const wrong[] = {"a",          "=1",    "a=",   "A=1",        "a=1,B=2",
                                        "a=1=2",      "a =1",  "@a=1", "a=1;b=\x01", "a=\x7f",
                                        "a=\xc3\xa4", "a=1\n", "a\"=1"};
    struct pe_trace trace;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(parse_state(wrong[i], &trace));
        assert_string_equal(trace.state, "");
    }
}

/* Append a member with a key of this many letters and a value of that many. */
static void append_member(char *list, char letter, int key, int value)
{
    char *at = list + strlen(list);
    memset(at, letter, (size_t)key);
    at[key] = '=';
    memset(at + key + 1, 'v', (size_t)value);
    strcpy(at + key + 1 + value, ",");
}

static void keys_values_and_the_number_of_members_are_bounded(void **state)
{
    (void)state;
    static const struct {
        int key, value, count;
        bool fits;
    } lists[] = {{1, 1, 32, true},   {1, 1, 33, false}, {256, 1, 1, true},
                 {257, 1, 1, false}, {1, 256, 1, true}, {1, 257, 1, false}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct pe_trace trace;
        char list[1024] = "";
        for (int member = 0; member < lists[i].count; member++)
            append_member(list, 'k', lists[i].key, lists[i].value);
        assert_int_equal(parse_state(list, &trace), lists[i].fits);
    }
}

static void a_long_state_loses_long_members_first_and_then_the_last_ones(void **state)
{
    (void)state;
    struct pe_trace trace;
    char list[2048] = "";
    append_member(list, 'a', 1, 127); /* 129 bytes with the equals sign */
    for (int letter = 'b'; letter <= 'f'; letter++)
        append_member(list, (char)letter, 1, 100); /* 102 bytes each */
    assert_true(parse_state(list, &trace));
    assert_int_equal(trace.state[0], 'b');
    assert_int_equal(strlen(trace.state), 4 * 103 - 1);
    assert_null(strstr(trace.state, "f="));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_read_and_written),
        cmocka_unit_test(unknown_flags_are_not_passed_on),
        cmocka_unit_test(what_a_later_version_adds_is_ignored),
        cmocka_unit_test(other_values_are_no_trace),
        cmocka_unit_test(members_of_a_state_are_kept_in_their_order),
        cmocka_unit_test(values_of_a_state_are_one_list),
        cmocka_unit_test(other_states_are_discarded),
        cmocka_unit_test(keys_values_and_the_number_of_members_are_bounded),
        cmocka_unit_test(a_long_state_loses_long_members_first_and_then_the_last_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
