/* SPDX-License-Identifier: Apache-2.0 */
/* Stages: the plan that the guest gets, and its report, which is not trusted. */
#include "proto/stages.h"
#include "tests/unit/check.h"

#include <stdio.h>
#include <stdlib.h>

static void put(struct pe_buf *report, char kind, const char *text)
{
    struct pe_error err;
    size_t size = strlen(text);
    const uint8_t head[] = {(uint8_t)kind, (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size};
    assert_int_equal(pe_buf_append(report, head, sizeof head, &err), 0);
    assert_int_equal(pe_buf_append(report, text, size, &err), 0);
}

#define END(what, code)        \
    "end=" what "\ncode=" code \
    "\nsignal=0\nwall_us=5\nuser_us=3\nsystem_us=1\nmax_rss_kib=9\noom_kills=2\nheld_kib=4\n"

static void a_plan_is_a_list_of_arguments(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autoarguments struct pe_arguments plan = {0}, arguments = {0};
    const struct pe_stage_limits limits = {.wall_ms = 3000,
                                           .memory_bytes = 1u << 30,
                                           .output_bytes = 64,
                                           .processes = 7,
                                           .file_bytes = 8,
                                           .open_files = 9};
    assert_int_equal(pe_arguments_add(&arguments, "gcc", &err) | pe_arguments_add(&arguments, "", &err), 0);
    assert_int_equal(pe_stages_begin(&plan, "in", &err), 0);
    assert_int_equal(pe_stages_add(&plan, "compile", &limits, &arguments, &err), 0);
    static const char *const wanted[] = {"/dev/pe-shim", "stages", "in", "compile", "3000", "0",
                                         "1073741824",   "64",     "7",  "8",       "9",    "2",
                                         "gcc",          ""};
    assert_int_equal(plan.count, sizeof wanted / sizeof *wanted);
    for (size_t i = 0; i < plan.count; i++)
        assert_string_equal(plan.items[i], wanted[i]);
    assert_null(plan.items[plan.count]);
}

static void a_report_has_each_stage_and_what_it_printed_in_order(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autobuf struct pe_buf report = {0};
    pe_autostages struct pe_stages stages = {0};
    put(&report, 'B', "compile");
    put(&report, 'E', END("exited", "0"));
    put(&report, 'B', "run");
    put(&report, 'o', "one ");
    put(&report, 'e', "two ");
    put(&report, 'o', "three");
    put(&report, 'E', END("exited", "7"));
    assert_int_equal(pe_stages_read(report.data, report.size, &stages, &err), 0);
    assert_int_equal(stages.count, 2);
    const struct pe_stage_report *run = &stages.items[1];
    assert_string_equal(run->name, "run");
    assert_true(run->ended && run->end == PE_STAGE_EXITED && run->code == 7);
    assert_int_equal(run->wall_us + run->user_us + run->system_us + run->max_rss_kib, 18);
    assert_int_equal(run->oom_kills, 2);
    assert_int_equal(run->held_kib, 4);
    assert_memory_equal(run->both.data, "one two three", 13);
    assert_memory_equal(run->out.data, "one three", 9);
    assert_memory_equal(run->error.data, "two ", 4);
}

static void a_report_that_breaks_off_keeps_what_it_had(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autobuf struct pe_buf report = {0};
    put(&report, 'B', "run");
    put(&report, 'o', "all of it");
    size_t complete = report.size;
    put(&report, 'E', END("exited", "0"));
    for (size_t size = 0; size < report.size; size++) {
        /* In memory of its own, so that a sanitizer sees a byte read too many. */
        uint8_t *copy = malloc(size ? size : 1);
        assert_non_null(copy);
        memcpy(copy, report.data, size);
        pe_autostages struct pe_stages stages = {0};
        assert_int_equal(pe_stages_read(copy, size, &stages, &err), 0);
        assert_true(stages.count <= 1 && !stages.items[0].ended);
        assert_int_equal(stages.items[0].both.size, size >= complete ? 9 : 0);
        free(copy);
    }
}

static bool is_text(const struct pe_buf *bytes, const char *text)
{
    return bytes->size == strlen(text) &&
           !memcmp(bytes->size ? (const char *)bytes->data : "", text, bytes->size);
}

static void a_character_in_two_pieces_is_whole_in_the_combined_output(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autobuf struct pe_buf report = {0};
    pe_autostages struct pe_stages stages = {0};
    put(&report, 'B', "run");
    put(&report, 'o', "a\xc3");
    put(&report, 'e', "x\xe2\x82");
    put(&report, 'o', "\xa9\xf0\x9f");
    put(&report, 'o', "\x98");
    put(&report, 'e', "\xac!");
    put(&report, 'o', "\x80\xff\xc3");
    put(&report, 'E', END("exited", "0"));
    assert_int_equal(pe_stages_read(report.data, report.size, &stages, &err), 0);
    assert_true(is_text(&stages.items[0].both, "ax\u00e9\u20ac!\U0001f600\xff\xc3"));
    assert_true(is_text(&stages.items[0].out, "a\u00e9\U0001f600\xff\xc3"));
    assert_true(is_text(&stages.items[0].error, "x\u20ac!"));
}

static void output_that_is_cut_ends_with_a_whole_character(void **state)
{
    (void)state;
    static const char *const ends[] = {END("stdout", "0"), END("stderr", "0"), END("wall", "0"), NULL};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct pe_error err;
        pe_autobuf struct pe_buf report = {0};
        pe_autostages struct pe_stages stages = {0};
        put(&report, 'B', "run");
        put(&report, 'e', "e\xc3");
        put(&report, 'o', "ab\xe2\x82");
        if (ends[i])
            put(&report, 'E', ends[i]);
        assert_int_equal(pe_stages_read(report.data, report.size, &stages, &err), 0);
        assert_true(is_text(&stages.items[0].both, "eab"));
        assert_true(is_text(&stages.items[0].out, "ab"));
        assert_true(is_text(&stages.items[0].error, "e"));
    }
}

static void refused(const struct pe_buf *report)
{
    struct pe_error err;
    pe_autostages struct pe_stages stages = {0};
    assert_int_equal(pe_stages_read(report->data, report->size, &stages, &err), -1);
    assert_int_equal(err.kind, PE_ERR_MALFORMED);
}

static void what_is_no_report_is_malformed(void **state)
{
    (void)state;
    static const struct {
        char kind;
        const char *text;
    } firsts[] = {{'o', "bytes of no stage"}, {'E', END("exited", "0")}, {'B', ""},
                  {'B', "12345678901234567"}, {'x', "an unknown kind"},  {'\0', ""}};
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
        pe_autobuf struct pe_buf report = {0};
        put(&report, firsts[i].kind, firsts[i].text);
        refused(&report);
    }
    static const char *const ends[] = {"",
                                       "code=0\n",
                                       "end=never\n",
                                       "end=exited",
                                       END("exited", "256"),
                                       END("exited", "-1"),
                                       END("exited", "x"),
                                       "end=exited\nwall_us=99999999999999999999\n",
                                       "no line"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        pe_autobuf struct pe_buf report = {0};
        put(&report, 'B', "run");
        put(&report, 'E', ends[i]);
        refused(&report);
    }
    pe_autobuf struct pe_buf many = {0}, after = {0};
    for (size_t i = 0; i <= PE_STAGES_MAX; i++)
        put(&many, 'B', "run");
    refused(&many);
    put(&after, 'B', "run");
    put(&after, 'E', END("exited", "0"));
    put(&after, 'o', "after its end");
    refused(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_a_list_of_arguments),
        cmocka_unit_test(a_report_has_each_stage_and_what_it_printed_in_order),
        cmocka_unit_test(a_report_that_breaks_off_keeps_what_it_had),
        cmocka_unit_test(a_character_in_two_pieces_is_whole_in_the_combined_output),
        cmocka_unit_test(output_that_is_cut_ends_with_a_whole_character),
        cmocka_unit_test(what_is_no_report_is_malformed),
    };
    return cmocka_run_group_tests_name("stages", tests, NULL, NULL);
}
