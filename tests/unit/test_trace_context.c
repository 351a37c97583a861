/* SPDX-License-Identifier: Apache-2.0 */
/* The values of `traceparent` that W3C Trace Context allows and forbids. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_read_and_written),
        cmocka_unit_test(unknown_flags_are_not_passed_on),
        cmocka_unit_test(what_a_later_version_adds_is_ignored),
        cmocka_unit_test(other_values_are_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
