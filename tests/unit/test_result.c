/* SPDX-License-Identifier: Apache-2.0 */
/* Results as flat text and as JSON. */
#include "proto/job_spec.h"
#include "proto/limits.h"
#include "proto/result.h"
#include "tests/unit/check.h"
#include "tests/unit/result_text.h"

#include <stdio.h>

static void assert_encoded(const struct pe_result *result, const struct pe_buf *text)
{
    pe_autobuf struct pe_buf again = {0};
    assert_int_equal(result_text(result, &again), 0);
    assert_int_equal(again.size, text->size);
    assert_memory_equal(again.data, text->data, text->size);
}

static void assert_survives(const struct pe_result *result)
{
    pe_autobuf struct pe_buf text = {0};
    struct pe_error err;
    struct pe_result read;
    assert_int_equal(result_text(result, &text), 0);
    struct pe_json_reader reader = pe_json_read(text.data, text.size);
    pe_result_parse_json(&reader, &read);
    assert_int_equal(pe_json_ended(&reader, &err), 0);
    assert_encoded(&read, &text);
    pe_autojson json_t *json = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_int_equal(pe_result_from_json(json, &read, &err), 0);
    assert_encoded(&read, &text);
}

static void a_result_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct pe_result result = {
        .status = PE_STATUS_EXITED, .wall_us = 1234567, .user_us = 7, .max_rss_kib = 99};
    snprintf(result.image, sizeof result.image, "gcc:14");
    snprintf(result.image_digest, sizeof result.image_digest, "sha256:00");
    result.phase_us[PE_PHASE_RUN] = 1001;
    result.step_us[PE_STEP_PROGRAM] = 999;
    assert_survives(&result);
    result = (struct pe_result){.status = PE_STATUS_SIGNALED, .exit_code = -1, .signal = 11, .cached = true};
    result.stdout_truncated = true;
    result.outputs_dropped = 3;
    assert_survives(&result);
    result.isolation = PE_ISOLATION_KERNEL;
    assert_survives(&result);
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
    assert_survives(&result);
    result.reason[0] = '\0';
    snprintf(result.image, sizeof result.image, "odd\"name");
    assert_survives(&result);
}

static const char *dropped_of(const struct pe_result *result)
{
    static char text[4096];
    const char *type = NULL, *name = NULL;
    size_t used = 0;
    text[0] = '\0';
    for (size_t at = 0; pe_dropped_next(&result->dropped, &at, &type, &name);)
        used += (size_t)snprintf(text + used, sizeof text - used, "[%s %s]", type, name);
    return text;
}

static void outputs_that_were_dropped_are_named_in_every_form(void **state)
{
    (void)state;
    struct pe_error err;
    struct pe_result result, again;
    pe_autobuf struct pe_buf text = {0};
    const char *flat = "status=exited\nexit_code=0\noutputs_dropped=9\ndropped=symlink a link\n"
                       "dropped=fifo d/x\\ny\ndropped=door z\ndropped=fifo\ndropped=fifo \n";
    assert_int_equal(pe_result_from_flat(flat, strlen(flat), &result, &err), 0);
    assert_string_equal(dropped_of(&result), "[symlink a link][fifo d/x\ny]");
    assert_int_equal(result_text(&result, &text), 0);
    assert_int_equal(pe_buf_append(&text, "", 1, &err), 0);
    assert_non_null(
        strstr((const char *)text.data, "\"dropped\":[{\"name\":\"a link\",\"type\":\"symlink\"},{"));
    pe_autojson json_t *json = json_loads((const char *)text.data, 0, NULL);
    assert_int_equal(pe_result_from_json(json, &again, &err), 0);
    assert_string_equal(dropped_of(&again), dropped_of(&result));
}

static void names_of_dropped_outputs_are_bounded_in_number_and_size(void **state)
{
    (void)state;
    struct pe_dropped few = {0}, many = {0};
    struct pe_result result = {0};
    char name[PE_DROPPED_BYTES_MAX + 1];
    size_t count = 0, at = 0;
    const char *type = NULL, *found = NULL;
    memset(name, 'n', sizeof name);
    name[PE_DROPPED_BYTES_MAX] = '\0';
    pe_dropped_add(&few, "fifo", name);                     /* does not fit */
    pe_dropped_add(&few, "fifo", name + sizeof "fifo" + 1); /* fits exactly */
    pe_dropped_add(&few, "fifo", "x");
    result.dropped = few;
    assert_int_equal(strlen(dropped_of(&result)), PE_DROPPED_BYTES_MAX + 1);
    for (int i = 0; i < 100; i++)
        pe_dropped_add(&many, "fifo", "x");
    while (pe_dropped_next(&many, &at, &type, &found))
        count++;
    assert_int_equal(count, PE_DROPPED_NAMES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_is_read_as_it_was_written),
        cmocka_unit_test(a_result_without_a_known_isolation_can_be_read),
        cmocka_unit_test(outputs_that_were_dropped_are_named_in_every_form),
        cmocka_unit_test(names_of_dropped_outputs_are_bounded_in_number_and_size),
        cmocka_unit_test(what_needs_escapes_gets_them),
    };
    return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
