/* SPDX-License-Identifier: Apache-2.0 */
/* Stages: the plan that the guest gets, and its report, which is not trusted. */
#include "proto/stage_report.h"
#include "proto/stages.h"
#include "tests/unit/check.h"

#include <stdio.h>
#include <stdlib.h>

#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

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
        const size_t begun = 2 * PE_STAGE_FRAME_HEAD + strlen("run");
        assert_int_equal(stages.items[0].both.size, size >= complete ? 9 : size > begun ? size - begun : 0);
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
    } firsts[] = {{'o', "bytes of no stage"},
                  {'E', END("exited", "0")},
                  {'B', ""},
                  {'B', "a name of more than 64 bytes, which no stage can have, is malformed"},
                  {'x', "an unknown kind"},
                  {'\0', ""}};
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
    for (size_t i = 0; i <= PE_STAGES_MAX; i++) {
        put(&many, 'B', "run");
        put(&many, 'E', END("exited", "0"));
    }
    refused(&many);
    put(&after, 'B', "run");
    put(&after, 'E', END("exited", "0"));
    put(&after, 'o', "after its end");
    refused(&after);
}

/* ---- with cases ---- */

/* Stage, case 0 that is skipped, case 7 whose output is cut, and its checker. */
static void put_cases(struct pe_buf *report)
{
    put(report, 'B', "compile");
    put(report, 'E', END("exited", "0"));
    put(report, 'C', "0");
    put(report, 'E', "end=skipped\n");
    put(report, 'C', "7");
    put(report, 'o', "4");
    put(report, 'o', "2\xc3");
    put(report, 'E', END("exited", "0") "stdout_cut=3\nsha256=" DIGITS "\n");
    put(report, 'K', "");
    put(report, 'e', "wrong");
    put(report, 'E', END("exited", "1"));
}

static void a_report_of_cases_can_be_read_while_it_arrives(void **state)
{
    (void)state;
    pe_autobuf struct pe_buf report = {0};
    put_cases(&report);
    for (size_t piece = 1; piece <= report.size; piece++) {
        pe_autoreportreader struct pe_report_reader reader = {0};
        struct pe_stage_report runs[4] = {0};
        struct pe_error err;
        size_t count = 0;
        for (size_t at = 0; at < report.size; at += piece) {
            struct pe_cursor bytes = {report.data + at, report.size - at < piece ? report.size - at : piece};
            while (pe_report_read(&reader, &bytes, &runs[count], &err) == 1)
                count++;
            assert_int_equal(bytes.left, 0);
        }
        assert_int_equal(count, 4);
        assert_true(runs[0].kind == PE_RUN_STAGE && !strcmp(runs[0].name, "compile"));
        assert_true(runs[1].kind == PE_RUN_CASE && runs[1].number == 0 && runs[1].end == PE_STAGE_SKIPPED);
        assert_true(runs[2].kind == PE_RUN_CASE && runs[2].number == 7);
        assert_true(is_text(&runs[2].out, "42"));
        assert_int_equal(runs[2].out_cut, 3);
        assert_string_equal(runs[2].sha256, DIGITS);
        assert_true(runs[3].kind == PE_RUN_CHECK && runs[3].number == 7 && runs[3].code == 1);
        assert_true(is_text(&runs[3].error, "wrong"));
        for (size_t i = 0; i < count; i++)
            pe_stage_report_free(&runs[i]);
    }
}

static void a_case_that_did_not_end_is_there_when_the_report_has_ended(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autobuf struct pe_buf report = {0};
    pe_autoreportreader struct pe_report_reader reader = {0};
    pe_autostagereport struct pe_stage_report run = {0};
    put(&report, 'C', "3");
    put(&report, 'o', "so far");
    struct pe_cursor bytes = {report.data, report.size};
    assert_int_equal(pe_report_read(&reader, &bytes, &run, &err), 0);
    assert_int_equal(pe_report_end(&reader, &run, &err), 1);
    assert_true(run.kind == PE_RUN_CASE && run.number == 3 && !run.ended && is_text(&run.out, "so far"));
    assert_int_equal(pe_report_end(&reader, &run, &err), 0);
}

static void refused_cases(const char *const *frames, size_t count)
{
    struct pe_error err;
    pe_autobuf struct pe_buf report = {0};
    pe_autoreportreader struct pe_report_reader reader = {0};
    struct pe_stage_report run;
    for (size_t i = 0; i < count; i++)
        put(&report, frames[i][0], frames[i] + 1);
    struct pe_cursor bytes = {report.data, report.size};
    int got = 1;
    while (got == 1)
        if ((got = pe_report_read(&reader, &bytes, &run, &err)) == 1)
            pe_stage_report_free(&run);
    assert_int_equal(got, -1);
    assert_int_equal(err.kind, PE_ERR_MALFORMED);
}

static void cases_that_do_not_fit_together_are_malformed(void **state)
{
    (void)state;
    static const char ended[] = "Eend=exited\n";
    static const char *const reports[][6] = {
        {"C1000"},
        {"C"},
        {"Cx"},
        {"C-1"},
        {"C1", ended, "C1"},
        {"C1", "C2"},
        {"K"},
        {"C1", ended, "Kname"},
        {"C1", ended, "K", ended, "K"},
        {"C1", "Eend=exited\nsha256=abc\n"},
    };
    for (size_t i = 0; i < sizeof reports / sizeof *reports; i++) {
        size_t count = 0;
        while (count < 6 && reports[i][count])
            count++;
        refused_cases(reports[i], count);
    }
    pe_autobuf struct pe_buf report = {0};
    put(&report, 'C', "1");
    put(&report, 'E', END("exited", "0"));
    refused(&report); /* pe_stages_read is for stages only */
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
        cmocka_unit_test(a_report_of_cases_can_be_read_while_it_arrives),
        cmocka_unit_test(a_case_that_did_not_end_is_there_when_the_report_has_ended),
        cmocka_unit_test(cases_that_do_not_fit_together_are_malformed),
    };
    return cmocka_run_group_tests_name("stages", tests, NULL, NULL);
}
