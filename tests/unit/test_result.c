/* SPDX-License-Identifier: Apache-2.0 */
/* A result is the same JSON from both of its encoders. */
#include "proto/job_spec.h"
#include "proto/result.h"
#include "tests/unit/check.h"

#include <stdio.h>

static void assert_same(const struct pe_result *result)
{
    pe_autobuf struct pe_buf text = {0};
    struct pe_error err;
    json_error_t where;
    assert_int_equal(pe_result_append_json(result, &text, &err), 0);
    pe_autojson json_t *got = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &where);
    assert_non_null(got);
    pe_autojson json_t *wanted = pe_result_to_json(result);
    assert_true(json_equal(got, wanted));
}

static void text_and_object_are_equal(void **state)
{
    (void)state;
    struct pe_result result = {
        .status = PE_STATUS_EXITED, .wall_us = 1234567, .user_us = 7, .max_rss_kib = 99};
    snprintf(result.image, sizeof result.image, "gcc:14");
    snprintf(result.image_digest, sizeof result.image_digest, "sha256:00");
    result.phase_us[PE_PHASE_RUN] = 1001;
    result.step_us[PE_STEP_PROGRAM] = 999;
    assert_same(&result);
    result = (struct pe_result){.status = PE_STATUS_SIGNALED, .exit_code = -1, .signal = 11, .cached = true};
    result.stdout_truncated = true;
    result.outputs_dropped = 3;
    assert_same(&result);
    result.isolation = PE_ISOLATION_KERNEL;
    assert_same(&result);
}

static enum pe_isolation isolation_of(const char *json)
{
    struct pe_json_reader reader = pe_json_read(json, strlen(json));
    struct pe_result result;
    struct pe_error err;
    pe_result_parse_json(&reader, &result);
    assert_int_equal(pe_json_ended(&reader, &err), 0);
    return result.isolation;
}

static void a_result_without_a_known_isolation_can_be_read(void **state)
{
    (void)state;
    assert_int_equal(isolation_of("{\"status\":\"exited\"}"), PE_ISOLATION_UNKNOWN);
    assert_int_equal(isolation_of("{\"status\":\"exited\",\"isolation\":null}"), PE_ISOLATION_UNKNOWN);
    assert_int_equal(isolation_of("{\"status\":\"exited\",\"isolation\":\"a kind of the future\"}"),
                     PE_ISOLATION_UNKNOWN);
    assert_int_equal(isolation_of("{\"status\":\"exited\",\"isolation\":\"hardware\"}"),
                     PE_ISOLATION_HARDWARE);
}

static void what_needs_escapes_gets_them(void **state)
{
    (void)state;
    struct pe_result result = {.status = PE_STATUS_VM_ERROR, .exit_code = -1};
    snprintf(result.reason, sizeof result.reason, "a \"quoted\" reason\n");
    assert_same(&result);
    result.reason[0] = '\0';
    snprintf(result.image, sizeof result.image, "odd\"name");
    assert_same(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_object_are_equal),
        cmocka_unit_test(a_result_without_a_known_isolation_can_be_read),
        cmocka_unit_test(what_needs_escapes_gets_them),
    };
    return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
