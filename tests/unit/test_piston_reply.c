/* SPDX-License-Identifier: Apache-2.0 */
/* Results in the form of the Piston API. */
#include "lb/piston/reply.h"
#include "proto/limits.h"
#include "tests/unit/check.h"
#include "tests/unit/quoted.h"

#include <stdlib.h>

static json_t *answer(bool compiled, const struct pe_result *fields, const void *report, size_t size)
{
    size_t account = 0;
    struct pe_error err;
    struct pe_parts parts = {0};
    const struct piston_request request = {.language = "c", .version = "14.2.0", .compiled = compiled};
    assert_int_equal(pe_parts_add(&parts, PE_PART_STDOUT, NULL, size, 0, &err), 0);
    struct job_result *result = job_result_new(&account, fields, &parts, &err);
    pe_parts_free(&parts);
    assert_non_null(result);
    assert_int_equal(job_result_append(result, report, size, &err), 0);
    pe_autobuf struct pe_buf text = {0};
    assert_int_equal(piston_reply_encode(&request, result, &text, &err), 0);
    job_result_unref(result);
    json_t *json = json_loadb((char *)text.data, text.size, JSON_ALLOW_NUL, NULL);
    assert_non_null(json);
    return json;
}

static void is_answer(json_t *got, const char *wanted_text)
{
    json_t *wanted = parse_quoted(wanted_text);
    if (!json_equal(got, wanted)) {
        char *text = json_dumps(got, JSON_COMPACT);
        fail_msg("%s\ninstead of\n%s", text, wanted_text);
    }
    json_decref(wanted);
    json_decref(got);
}

static size_t frame(uint8_t *at, char kind, const void *bytes, size_t size)
{
    at[0] = (uint8_t)kind;
    at[1] = 0;
    at[2] = (uint8_t)(size >> 8);
    at[3] = (uint8_t)size;
    memcpy(at + 4, bytes, size);
    return size + 4;
}

static size_t stage(uint8_t *at, const char *name, const char *out, size_t out_size, const char *end)
{
    size_t used = frame(at, 'B', name, strlen(name));
    used += frame(at + used, 'o', out, out_size);
    return end ? used + frame(at + used, 'E', end, strlen(end)) : used;
}

static void both_stages_are_told_apart(void **state)
{
    (void)state;
    uint8_t report[512];
    const struct pe_result result = {.status = PE_STATUS_EXITED};
    size_t size = stage(report, "compile", "w", 1,
                        "end=exited\ncode=0\nwall_us=1500\nuser_us=1000\nsystem_us=250\nmax_rss_kib=3\n");
    size += stage(report + size, "run", "\0\xffz", 3, "end=signaled\nsignal=11\nwall_us=2000\nuser_us=1\n");
    is_answer(
        answer(true, &result, report, size),
        "{'compile': {'stdout': 'w', 'stderr': '', 'output': 'w', 'code': 0, 'signal': null, 'message': null,"
        " 'status': null, 'wall_time': 1.5, 'cpu_time': 1.25, 'memory': 3072}, 'run': {'stdout': "
        "'\\u0000\\ufffdz', 'stderr': '', 'output': '\\u0000\\ufffdz', 'code': null, 'signal': 'SIGSEGV',"
        " 'message': 'Caught fatal signal 11', 'status': 'SG', 'wall_time': 2, 'cpu_time': 0.001, 'memory': "
        "0},"
        " 'language': 'c', 'version': '14.2.0'}");
}

static void a_failed_compilation_is_the_runs_result_as_well(void **state)
{
    (void)state;
    uint8_t report[512];
    const struct pe_result result = {.status = PE_STATUS_EXITED};
    size_t size = stage(report, "compile", "", 0, "end=exited\ncode=1\n");
#define FAILED                                                                                             \
    "{'stdout': '', 'stderr': '', 'output': '', 'code': 1, 'signal': null, 'message': 'Exited with error " \
    "status 1',"                                                                                           \
    " 'status': 'RE', 'wall_time': 0, 'cpu_time': 0, 'memory': 0}"
    is_answer(answer(true, &result, report, size),
              "{'compile': " FAILED ", 'run': " FAILED ", 'language': 'c', 'version': '14.2.0'}");
}

static void each_end_has_its_status(void **state)
{
    (void)state;
    static const char *const ends[][4] = {
        {"end=wall\n", "TO", "SIGKILL", "Time limit exceeded (wall clock)"},
        {"end=cpu\n", "TO", "SIGKILL", "Time limit exceeded"},
        {"end=stdout\n", "OL", "SIGKILL", "stdout length exceeded"},
        {"end=stderr\n", "EL", "SIGKILL", "stderr length exceeded"},
        {"end=signaled\nsignal=6\n", "SG", "SIGABRT", "Caught fatal signal 6"},
        {"end=signaled\nsignal=35\n", "SG", "SIGRTMIN+1", "Caught fatal signal 35"},
        {"end=signaled\nsignal=63\n", "SG", "SIGRTMAX-1", "Caught fatal signal 63"},
        {"end=signaled\nsignal=9\noom_kills=1\nheld_kib=1023\n", "SG", "SIGKILL", "Caught fatal signal 9"},
        {"end=signaled\nsignal=9\noom_kills=1\nheld_kib=5000\n", "SG", "SIGKILL",
         "Caught fatal signal 9: out of memory, of which files that earlier stages left hold 4 MiB"},
        {"end=signaled\nsignal=9\noom_kills=0\nheld_kib=5000\n", "SG", "SIGKILL", "Caught fatal signal 9"},
        {"end=exited\ncode=255\n", "RE", NULL, "Exited with error status 255"},
        {"end=failed\n", "XX", NULL, "the stage could not be started"},
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        uint8_t report[512];
        const struct pe_result result = {.status = PE_STATUS_EXITED};
        json_t *json = answer(false, &result, report, stage(report, "run", "", 0, ends[i][0]));
        json_t *run = json_object_get(json, "run");
        assert_null(json_object_get(json, "compile"));
        assert_string_equal(json_string_value(json_object_get(run, "status")), ends[i][1]);
        assert_string_equal(json_string_value(json_object_get(run, "message")), ends[i][3]);
        if (ends[i][2])
            assert_string_equal(json_string_value(json_object_get(run, "signal")), ends[i][2]);
        else
            assert_true(json_is_null(json_object_get(run, "signal")));
        json_decref(json);
    }
}

static void a_job_that_ended_as_a_whole_ends_the_stage(void **state)
{
    (void)state;
    uint8_t report[512];
    struct pe_result result = {
        .status = PE_STATUS_TIMEOUT, .wall_us = 9000, .user_us = 5000, .max_rss_kib = 2};
    size_t size = stage(report, "compile", "", 0, "end=exited\ncode=0\nwall_us=4000\nuser_us=1000\n");
    size += stage(report + size, "run", "so far", 6, NULL);
    json_t *json = answer(true, &result, report, size);
    is_answer(
        json_incref(json_object_get(json, "run")),
        "{'stdout': 'so far', 'stderr': '', 'output': 'so far', 'code': null, 'signal': 'SIGKILL', 'message':"
        " 'Time limit exceeded (wall clock)', 'status': 'TO', 'wall_time': 5, 'cpu_time': 4, 'memory': "
        "2048}");
    json_decref(json);
    result = (struct pe_result){.status = PE_STATUS_SIGNALED, .signal = 9, .wall_us = 1000};
    json = answer(false, &result, "", 0);
    is_answer(json_incref(json_object_get(json, "run")),
              "{'stdout': '', 'stderr': '', 'output': '', 'code': null, 'signal': 'SIGKILL', 'message': "
              "'Caught fatal"
              " signal 9', 'status': 'SG', 'wall_time': 1, 'cpu_time': null, 'memory': null}");
    json_decref(json);
}

static void a_report_that_makes_no_sense_is_a_failed_sandbox(void **state)
{
    (void)state;
    uint8_t report[512];
    const struct pe_result result = {.status = PE_STATUS_EXITED};
    static const char *const names[] = {"compile", "other"};
    for (size_t i = 0; i < 3; i++) {
        size_t size = i < 2 ? stage(report, names[i], "x", 1, "end=exited\n") : frame(report, 'q', "x", 1);
        json_t *json = answer(false, &result, report, size), *run = json_object_get(json, "run");
        assert_string_equal(json_string_value(json_object_get(run, "status")), "XX");
        assert_string_equal(json_string_value(json_object_get(run, "stdout")), "");
        json_decref(json);
    }
}

static void a_report_that_is_longer_than_stdout_can_be_is_not_read(void **state)
{
    (void)state;
    enum { OUT_SIZE = 65000 };
    const struct pe_result result = {.status = PE_STATUS_EXITED};
    static const size_t sizes[] = {PE_STDOUT_BYTES_MAX, PE_STDOUT_BYTES_MAX + 1};
    char *out = calloc(1, OUT_SIZE);
    uint8_t *report = calloc(1, PE_STDOUT_BYTES_MAX + OUT_SIZE);
    assert_true(out && report);
    for (size_t i = 0; i < 2; i++) {
        size_t size = frame(report, 'B', "run", 3);
        while (sizes[i] - size > OUT_SIZE + 4)
            size += frame(report + size, 'o', out, OUT_SIZE);
        size += frame(report + size, 'o', out, sizes[i] - size - 4);
        assert_int_equal(size, sizes[i]);
        json_t *json = answer(false, &result, report, size), *run = json_object_get(json, "run");
        assert_int_equal(json_string_length(json_object_get(run, "stdout")) > 0, i == 0);
        json_decref(json);
    }
    free(report);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_stages_are_told_apart),
        cmocka_unit_test(a_failed_compilation_is_the_runs_result_as_well),
        cmocka_unit_test(each_end_has_its_status),
        cmocka_unit_test(a_job_that_ended_as_a_whole_ends_the_stage),
        cmocka_unit_test(a_report_that_makes_no_sense_is_a_failed_sandbox),
        cmocka_unit_test(a_report_that_is_longer_than_stdout_can_be_is_not_read),
    };
    return cmocka_run_group_tests_name("piston's answers", tests, NULL, NULL);
}
