/* SPDX-License-Identifier: Apache-2.0 */
/* What pe-run makes of the events of stages and cases: differences of outputs, and the table. */
#include "cli/case_table.h"
#include "proto/job_spec.h"
#include "tests/unit/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- differences ---- */

static const char *compare(enum pe_expect_compare how, const char *expected, const char *output, bool is_cut)
{
    static char note[CASE_NOTE_SIZE];
    struct pe_error err;
    const struct pe_cursor left = {.at = (const uint8_t *)expected, .left = strlen(expected)};
    const struct pe_cursor right = {.at = (const uint8_t *)output, .left = strlen(output)};
    assert_int_equal(case_compare(how, left, right, is_cut, note, &err), 0);
    return note;
}

static void the_first_line_that_differs_is_quoted(void **state)
{
    (void)state;
    assert_string_equal(compare(PE_EXPECT_TRAILING_SPACE, "1\n2\n3\n", "1  \n5\n4\n", false),
                        "line 2: \"2\" was expected, but \"5\" was printed");
    assert_string_equal(compare(PE_EXPECT_TRAILING_SPACE, "a\nb\n", "a\n\n", false),
                        "line 2: \"b\" was expected, but the output ends before it");
    assert_string_equal(compare(PE_EXPECT_TRAILING_SPACE, "", "\x1b[31m", false),
                        "line 1: the end was expected, but \"?[31m\" was printed");
}

static void white_space_counts_only_in_an_exact_comparison(void **state)
{
    (void)state;
    assert_string_equal(compare(PE_EXPECT_TRAILING_SPACE, "a\nb", "a \nb\n\n", false), "");
    assert_string_equal(compare(PE_EXPECT_EXACT, "a\n", "a \n", false),
                        "line 1: \"a\" was expected, but \"a \" was printed");
    assert_string_equal(compare(PE_EXPECT_EXACT, "a\nb\n", "a\nb", false),
                        "line 2: the end of the line was expected, but is missing");
    assert_string_equal(compare(PE_EXPECT_EXACT, "b", "b\n", false),
                        "line 1: the end of the line was printed, but not expected");
}

static void of_an_output_whose_end_is_missing_its_last_line_is_not_judged(void **state)
{
    (void)state;
    assert_string_equal(compare(PE_EXPECT_EXACT, "1\n23\n", "1\n2", true), "");
    assert_string_equal(compare(PE_EXPECT_EXACT, "1\n23\n", "7\n2", true),
                        "line 1: \"1\" was expected, but \"7\" was printed");
}

static void of_long_lines_the_part_around_the_difference_is_quoted(void **state)
{
    (void)state;
    char expected[1001], output[1001];
    memset(expected, 'x', sizeof expected - 1);
    expected[1000] = '\0';
    memcpy(output, expected, sizeof output);
    memcpy(output + 500, "\xc3\xa9", 2);
    const char *note = compare(PE_EXPECT_EXACT, expected, output, false);
    assert_non_null(strstr(note, "but …\"xxxxxxxxxxxxxxxxxxxx\xc3\xa9xxx"));
    assert_true(strlen(note) < CASE_NOTE_SIZE - 1);
}

/* ---- the table ---- */

static const char job[] =
    "{\"image\": \"gcc:14\", \"stages\": [{\"name\": \"compile\", \"cmd\": [\"cc\"]}, {\"cmd\": [\"./a\"], "
    "\"expect\": {\"compare\": \"exact\"}}], \"cases\": [{\"expect\": \"1\\n\"}, {\"expect\": {\"file\": "
    "\"2.out\"}}, {\"expect\": {\"checker\": [\"./check\"], \"text\": \"x\"}}, {}]}";

static int take(struct case_report *report, bool is_case, const char *event, struct pe_error *err)
{
    pe_autojson json_t *json = json_loads(event, 0, NULL);
    assert_non_null(json);
    return case_report_take(report, is_case, json, err);
}

static void take_all(struct case_report *report, const char *const *events, size_t count)
{
    struct pe_error err;
    for (size_t i = 0; i < count; i++)
        if (take(report, i > 0, events[i], &err) < 0)
            fail_msg("%s: %s", events[i], err.message);
}

static char *print(const struct case_report *report, bool has_colours)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    case_table_write(report, has_colours, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static const char *const events[] = {
    "{\"index\": 0, \"name\": \"compile\", \"status\": \"ok\", \"exit_code\": 0, \"signal\": null, "
    "\"wall_ms\": "
    "812.25, \"cpu_ms\": 700, \"peak_memory_kib\": 38740, \"stdout\": \"kept\", \"stderr\": \"\"}",
    "{\"index\": 1, \"name\": \"2\", \"status\": \"ok\", \"verdict\": \"wrong\", \"exit_code\": 0, "
    "\"signal\": "
    "null, \"wall_ms\": 2, \"cpu_ms\": 1.04, \"peak_memory_kib\": 412, \"stdout\": {\"base64\": \"eQ==\"}}",
    "{\"index\": 2, \"name\": \"3\", \"status\": \"ok\", \"verdict\": \"wrong\", \"exit_code\": 0, "
    "\"wall_ms\": 2, "
    "\"cpu_ms\": 1, \"peak_memory_kib\": 1, \"stdout\": \"z\", \"checker\": {\"stdout\": \"off by "
    "one\\nmore\"}}",
    "{\"index\": 0, \"name\": \"1\", \"status\": \"ok\", \"verdict\": \"right\", \"exit_code\": 0, "
    "\"wall_ms\": 2, "
    "\"cpu_ms\": 1, \"peak_memory_kib\": 1, \"stdout\": \"1\\n\"}",
    "{\"index\": 3, \"name\": \"\u00e4\\u001b\", \"status\": \"signaled\", \"verdict\": \"signaled\", "
    "\"exit_code\": null, \"signal\": 11, \"wall_ms\": 2, \"cpu_ms\": 1, \"peak_memory_kib\": 1}",
};

static void the_table_has_all_stages_and_cases_in_the_order_of_the_job(void **state)
{
    (void)state;
    struct pe_error err;
    struct case_report report;
    struct input_file file = {.name = (char[]){"2.out"},
                              .has_content = true,
                              .content = {.data = (uint8_t *)(char[]){"x"}, .size = 1}};
    const struct input_files files = {.items = &file, .count = 1};
    assert_int_equal(case_report_init(&report, job, &files, &err), 0);
    take_all(&report, events, sizeof events / sizeof *events);
    char *text = print(&report, false);
    assert_string_equal(text, "case     verdict           time ms     cpu ms       KiB  exit\n"
                              "compile  ok                  812.2      700.0     38740  0\n"
                              "1        right                 2.0        1.0         1  0\n"
                              "2        wrong                 2.0        1.0       412  0\n"
                              "         line 1: \"x\" was expected, but \"y\" was printed\n"
                              "3        wrong                 2.0        1.0         1  0\n"
                              "         checker: off by one\n"
                              "\u00e4?       signaled              2.0        1.0         1  SIGSEGV\n"
                              "1 of 4 right: wrong answer in case 2\n");
    free(text);
    assert_int_equal(report.output.size, 0);
    case_report_free(&report);
}

static void colours_are_only_around_verdicts(void **state)
{
    (void)state;
    struct pe_error err;
    struct case_report report;
    const struct input_files none = {0};
    assert_int_equal(case_report_init(&report, job, &none, &err), 0);
    take_all(&report, events, 2);
    char *text = print(&report, true);
    assert_non_null(strstr(text, "compile  \033[32mok\033[0m       "));
    assert_non_null(strstr(text, "2        \033[31mwrong\033[0m    "));
    assert_non_null(strstr(text, "\n0 of 4 right: wrong answer in case 2\n"));
    free(text);
    case_report_free(&report);
}

static void a_stage_that_fails_is_named_and_its_output_kept(void **state)
{
    (void)state;
    struct pe_error err;
    struct case_report report;
    const struct input_files none = {0};
    assert_int_equal(case_report_init(&report, job, &none, &err), 0);
    assert_int_equal(take(&report, false,
                          "{\"index\": 0, \"name\": \"compile\", \"status\": \"failed\", \"exit_code\": 1, "
                          "\"wall_ms\": 1, \"stdout\": \"o\", \"stderr\": \"a.c:1: error\"}",
                          &err),
                     0);
    assert_int_equal(
        take(&report, true,
             "{\"index\": 0, \"name\": \"1\", \"status\": \"skipped\", \"verdict\": \"skipped\"}", &err),
        0);
    char *text = print(&report, false);
    assert_non_null(strstr(text, "\n1        skipped\n0 of 4 right: exit code 1 in stage compile\n"));
    assert_int_equal(report.error_output.size, strlen("a.c:1: error"));
    free(text);
    case_report_free(&report);
}

static void events_of_rows_that_the_job_does_not_have_are_refused(void **state)
{
    (void)state;
    struct pe_error err;
    struct case_report report;
    const struct input_files none = {0};
    assert_int_equal(case_report_init(&report, job, &none, &err), 0);
    static const char *const broken[] = {"{}", "{\"index\": -1}", "{\"index\": 4}", "{\"index\": \"0\"}",
                                         "{\"index\": 0.5}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        assert_int_equal(take(&report, true, broken[i], &err), -1);
        assert_int_equal(err.kind, PE_ERR_MALFORMED);
    }
    assert_int_equal(take(&report, false, "{\"index\": 1}", &err), -1);
    assert_int_equal(take(&report, true, "{\"index\": 0}", &err), 0);
    assert_int_equal(take(&report, true, "{\"index\": 0}", &err), -1);
    case_report_free(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_line_that_differs_is_quoted),
        cmocka_unit_test(white_space_counts_only_in_an_exact_comparison),
        cmocka_unit_test(of_an_output_whose_end_is_missing_its_last_line_is_not_judged),
        cmocka_unit_test(of_long_lines_the_part_around_the_difference_is_quoted),
        cmocka_unit_test(the_table_has_all_stages_and_cases_in_the_order_of_the_job),
        cmocka_unit_test(colours_are_only_around_verdicts),
        cmocka_unit_test(a_stage_that_fails_is_named_and_its_output_kept),
        cmocka_unit_test(events_of_rows_that_the_job_does_not_have_are_refused),
    };
    return cmocka_run_group_tests_name("case_report", tests, NULL, NULL);
}
