/* SPDX-License-Identifier: Apache-2.0 */
/* The job part of a request: what is accepted, and what each refusal says. */
#include "proto/job_spec.h"
#include "proto/limits.h"
#include "tests/unit/check.h"

#include <stdio.h>

static void refused(const char *json, enum pe_error_kind kind, const char *text_part)
{
    struct pe_error err;
    pe_autojobspec struct pe_job_spec job;
    assert_int_equal(pe_job_spec_decode(json, strlen(json), &job, &err), -1);
    assert_error(err, kind, text_part);
}

static void a_job_with_every_field_is_decoded_and_encoded_again(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autojobspec struct pe_job_spec job;
    pe_autojobspec struct pe_job_spec again;
    const char *json =
        "{\"image\":\"gcc:14\",\"cmd\":[\"sh\",\"-c\",\"exit 3\"],\"env\":{\"A\":\"b=c\"},"
        "\"stdin\":\"in.txt\",\"timeout_ms\":2500,\"process_limit\":7,\"stack_limit_kib\":64,\"outputs\":[\"*"
        ".o\"],\"cache\":false,"
        "\"combined\":true,\"on_output_limit\":\"stop\",\"stdout_max\":5,\"stderr_max\":16777216,"
        "\"isolation\":[\"kernel\",\"hardware\"]}";
    assert_int_equal(pe_job_spec_decode(json, strlen(json), &job, &err), 0);
    pe_autojson json_t *encoded = pe_job_spec_to_json(&job);
    assert_int_equal(pe_job_spec_from_json(encoded, &again, &err), 0);
    assert_string_equal(again.image, "gcc:14");
    assert_int_equal(again.cmd_count, 3);
    assert_string_equal(again.cmd[2], "exit 3");
    assert_string_equal(again.env[0], "A=b=c");
    assert_string_equal(again.stdin_name, "in.txt");
    assert_int_equal(again.timeout_ms, 2500);
    assert_int_equal(again.process_limit, 7);
    assert_int_equal(again.stack_limit_kib, 64);
    assert_string_equal(again.outputs[0], "*.o");
    assert_false(again.cache);
    assert_true(again.combined);
    assert_true(again.stop_at_output_limit);
    assert_int_equal(pe_job_spec_stdout_max(&again), 5);
    assert_int_equal(pe_job_spec_stderr_max(&again), 16777216);
    assert_true(pe_isolation_accepted(again.isolation, PE_ISOLATION_HARDWARE));
    assert_true(pe_isolation_accepted(again.isolation, PE_ISOLATION_KERNEL));
    assert_false(pe_isolation_accepted(again.isolation, PE_ISOLATION_EMULATION));
}

static void only_a_job_of_stages_may_have_more_time_than_a_client_can_ask_for(void **state)
{
    (void)state;
    struct pe_error err;
    static const struct {
        const char *json;
        int wanted;
    } cases[] = {{"{\"image\":\"gcc\",\"timeout_ms\":60000}", 0},
                 {"{\"image\":\"gcc\",\"timeout_ms\":60001}", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pe_autojobspec struct pe_job_spec job;
        assert_int_equal(pe_job_spec_decode(cases[i].json, strlen(cases[i].json), &job, &err), 0);
        assert_int_equal(pe_job_spec_check_client(&job, &err), cases[i].wanted);
    }
    assert_error(err, PE_ERR_INVALID, "from 1 to 60000");
}

static void a_job_whose_input_is_typed_has_longer_streams_and_ends_when_they_are_full(void **state)
{
    (void)state;
    struct pe_error err;
    static const struct {
        const char *json;
        uint32_t out, error;
        bool stops;
    } cases[] = {
        {"{\"image\":\"a\"}", 8 << 20, 8 << 20, true},
        {"{\"image\":\"a\",\"stdout_max\":7}", 7, 8 << 20, true},
        {"{\"image\":\"a\",\"on_output_limit\":\"cut\",\"stderr_max\":9}", 8 << 20, 9, false},
        {"{\"image\":\"a\",\"on_output_limit\":\"stop\"}", 8 << 20, 8 << 20, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pe_autojobspec struct pe_job_spec job;
        assert_int_equal(pe_job_spec_decode(cases[i].json, strlen(cases[i].json), &job, &err), 0);
        pe_job_spec_set_live_defaults(&job);
        assert_int_equal(pe_job_spec_stdout_max(&job), cases[i].out);
        assert_int_equal(pe_job_spec_stderr_max(&job), cases[i].error);
        assert_int_equal(job.stop_at_output_limit, cases[i].stops);
    }
}

static void the_least_job_gets_the_defaults(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autojobspec struct pe_job_spec job;
    assert_int_equal(pe_job_spec_decode("{\"image\":\"gcc\"}", 15, &job, &err), 0);
    assert_string_equal(job.image, "gcc:latest");
    assert_null(job.cmd);
    assert_int_equal(job.timeout_ms, PE_TIMEOUT_MS_DEFAULT);
    assert_true(job.cache);
    assert_false(job.combined);
    assert_false(job.stop_at_output_limit);
    assert_int_equal(pe_job_spec_stdout_max(&job), 1 << 20);
    assert_int_equal(pe_job_spec_stderr_max(&job), 1 << 20);
    assert_true(pe_isolation_accepted(job.isolation, PE_ISOLATION_UNKNOWN));
}

static void a_demand_for_one_isolation_is_a_string_or_an_array_and_null_is_none(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        unsigned bits;
    } cases[] = {{"\"hardware\"", 1u << PE_ISOLATION_HARDWARE},
                 {"[\"hardware\"]", 1u << PE_ISOLATION_HARDWARE},
                 {"null", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        struct pe_error err;
        pe_autojobspec struct pe_job_spec job;
        int n = snprintf(text, sizeof text, "{\"image\":\"a\",\"isolation\":%s}", cases[i].json);
        assert_int_equal(pe_job_spec_decode(text, (size_t)n, &job, &err), 0);
        assert_int_equal(job.isolation.bits, cases[i].bits);
    }
}

static void what_is_not_json_is_malformed(void **state)
{
    (void)state;
    refused("", PE_ERR_MALFORMED, "not JSON");
    refused("{\"image\":", PE_ERR_MALFORMED, "not JSON");
    refused("{\"image\":\"a\",\"image\":\"b\"}", PE_ERR_MALFORMED, "not JSON");
}

static void wrong_types_and_values_name_the_field(void **state)
{
    (void)state;
    refused("[]", PE_ERR_INVALID, "object");
    refused("{}", PE_ERR_INVALID, "'image' is missing");
    refused("{\"image\":7}", PE_ERR_INVALID, "'image' must be a string");
    refused("{\"image\":\"../x\"}", PE_ERR_INVALID, "'image' must be name:tag");
    refused("{\"image\":\"a\",\"cmd\":\"ls\"}", PE_ERR_INVALID, "'cmd' must be an array");
    refused("{\"image\":\"a\",\"cmd\":[]}", PE_ERR_INVALID, "'cmd' is empty");
    refused("{\"image\":\"a\",\"cmd\":[\"\"]}", PE_ERR_INVALID, "'cmd' is empty");
    refused("{\"image\":\"a\",\"cmd\":[1]}", PE_ERR_INVALID, "'cmd' must be a string");
    refused("{\"image\":\"a\",\"cmd\":[\"a\\u0000b\"]}", PE_ERR_INVALID, "NUL");
    refused("{\"image\":\"a\",\"env\":[]}", PE_ERR_INVALID, "'env' must be an object");
    refused("{\"image\":\"a\",\"env\":{\"A=B\":\"c\"}}", PE_ERR_INVALID, "'env' has a name");
    refused("{\"image\":\"a\",\"timeout_ms\":0}", PE_ERR_INVALID, "'timeout_ms' must be from 1");
    refused("{\"image\":\"a\",\"timeout_ms\":1.5}", PE_ERR_INVALID, "'timeout_ms' must be a whole");
    refused("{\"image\":\"a\",\"timeout_ms\":86400001}", PE_ERR_INVALID, "from 1 to 60000");
    refused("{\"image\":\"a\",\"timeout_ms\":-1}", PE_ERR_INVALID, "from 1 to 60000");
    refused("{\"image\":\"a\",\"timeout_ms\":4294967296}", PE_ERR_INVALID, "from 1 to 60000");
    refused("{\"image\":\"a\",\"timeout_ms\":1000000000000000000000000000000}", PE_ERR_INVALID,
            "from 1 to 60000");
    refused("{\"image\":\"a\",\"process_limit\":0}", PE_ERR_INVALID, "'process_limit' must be from 1 to 512");
    refused("{\"image\":\"a\",\"process_limit\":513}", PE_ERR_INVALID, "from 1 to 512");
    refused("{\"image\":\"a\",\"process_limit\":\"7\"}", PE_ERR_INVALID, "whole number of processes");
    refused("{\"image\":\"a\",\"stack_limit_kib\":63}", PE_ERR_INVALID, "from 64 to 1048576");
    refused("{\"image\":\"a\",\"stack_limit_kib\":1048577}", PE_ERR_INVALID, "from 64 to 1048576");
    refused("{\"image\":\"a\",\"stdin\":\"../x\"}", PE_ERR_INVALID, "'stdin'");
    refused("{\"image\":\"a\",\"cache\":1}", PE_ERR_INVALID, "'cache'");
    refused("{\"image\":\"a\",\"stdout_max\":0}", PE_ERR_INVALID, "from 1 to 16777216");
    refused("{\"image\":\"a\",\"stderr_max\":16777217}", PE_ERR_INVALID, "from 1 to 16777216");
    refused("{\"image\":\"a\",\"on_output_limit\":\"end\"}", PE_ERR_INVALID,
            "'on_output_limit' must be \"cut\" or \"stop\"");
    refused("{\"image\":\"a\",\"isolation\":7}", PE_ERR_INVALID, "'isolation' must be a string or");
    refused("{\"image\":\"a\",\"isolation\":[7]}", PE_ERR_INVALID, "'isolation' must be a string");
    refused("{\"image\":\"a\",\"isolation\":[]}", PE_ERR_INVALID, "'isolation' is empty; leave it out");
    refused("{\"image\":\"a\",\"isolation\":\"vm\"}", PE_ERR_INVALID,
            "'isolation': an isolation is 'hardware', 'kernel' or 'emulation', not 'vm'");
    refused("{\"image\":\"a\",\"isolation\":[\"kernel\",\"kernel\"]}", PE_ERR_INVALID,
            "'kernel' is named twice");
    refused("{\"image\":\"a\",\"isolation\":[\"kernel\"}", PE_ERR_MALFORMED, "not JSON");
    refused("{\"image\":\"a\",\"comand\":[]}", PE_ERR_INVALID, "unknown field 'comand'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_with_every_field_is_decoded_and_encoded_again),
        cmocka_unit_test(only_a_job_of_stages_may_have_more_time_than_a_client_can_ask_for),
        cmocka_unit_test(a_job_whose_input_is_typed_has_longer_streams_and_ends_when_they_are_full),
        cmocka_unit_test(the_least_job_gets_the_defaults),
        cmocka_unit_test(a_demand_for_one_isolation_is_a_string_or_an_array_and_null_is_none),
        cmocka_unit_test(what_is_not_json_is_malformed),
        cmocka_unit_test(wrong_types_and_values_name_the_field),
    };
    return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
