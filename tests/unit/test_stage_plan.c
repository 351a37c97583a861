/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of stages and cases: what the balancer encodes is what the guest decodes, and nothing else is
 * accepted. Expected outputs are compared as the plan says. */
#include "proto/stage_plan.h"

#include "codec/sha256_plain.h"
#include "tests/unit/check.h"

#include <stdlib.h>

static void add(struct pe_arguments *list, const char *text)
{
    struct pe_error err;
    assert_int_equal(pe_arguments_add(list, text, &err), 0);
}

static struct pe_plan_bytes bytes(const char *text)
{
    return (struct pe_plan_bytes){.data = (const uint8_t *)text, .size = strlen(text)};
}

/* Two stages, a checker, and two cases with the same input. */
static void make_plan(struct pe_plan *plan)
{
    static const char input[] = "1 2\n";
    struct pe_error err;
    *plan = (struct pe_plan){.stop = true, .report_bytes = 65536, .stage_count = 2, .checker_count = 1};
    strcpy(plan->stages[0].name, "compile");
    plan->stages[0].run.expect.checker = PE_PLAN_NO_CHECKER;
    plan->stages[0].run.limits = (struct pe_stage_limits){.wall_ms = 1,
                                                          .cpu_ms = 2,
                                                          .memory_bytes = 3,
                                                          .output_bytes = 4,
                                                          .error_bytes = 5,
                                                          .processes = 6,
                                                          .file_bytes = 7,
                                                          .open_files = 8};
    add(&plan->stages[0].arguments, "gcc");
    add(&plan->stages[0].arguments, "");
    add(&plan->stages[0].environment, "A=b");
    strcpy(plan->stages[1].name, "run");
    plan->stages[1].needs = 1;
    plan->stages[1].run.expect.checker = PE_PLAN_NO_CHECKER;
    add(&plan->stages[1].arguments, "./a.out");
    plan->checkers[0].limits.wall_ms = 9;
    add(&plan->checkers[0].arguments, "./check");
    plan->cases = calloc(2, sizeof *plan->cases);
    assert_non_null(plan->cases);
    plan->case_count = 2;
    for (size_t i = 0; i < 2; i++) {
        plan->cases[i].number = (unsigned)(3 * i);
        plan->cases[i].run.input = bytes(input);
        plan->cases[i].run.expect.exit_code = (unsigned)i;
        plan->cases[i].run.expect.answer = bytes(i ? "" : "3\n");
        plan->cases[i].run.expect.checker = i ? 0 : PE_PLAN_NO_CHECKER;
        plan->cases[i].run.expect.compare = i ? PE_EXPECT_EXACT : PE_EXPECT_TRAILING_SPACE;
    }
    assert_int_equal(
        pe_expect_hash(PE_EXPECT_TRAILING_SPACE, "3\n", 2, plan->cases[0].run.expect.sha256, &err), 0);
    add(&plan->cases[1].arguments, "-v");
}

static void encode(const struct pe_plan *plan, struct pe_buf *out)
{
    struct pe_error err;
    assert_int_equal(pe_plan_encode(plan, out, &err), 0);
}

static void a_plan_is_the_same_after_it_was_encoded_and_decoded(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autoplan struct pe_plan plan, decoded;
    pe_autobuf struct pe_buf text = {0}, again = {0};
    make_plan(&plan);
    encode(&plan, &text);
    assert_int_equal(pe_plan_decode(text.data, text.size, &decoded, &err), 0);
    assert_true(decoded.stop);
    assert_int_equal(decoded.stage_count, 2);
    assert_string_equal(decoded.stages[0].arguments.items[1], "");
    assert_string_equal(decoded.stages[0].environment.items[0], "A=b");
    assert_memory_equal(&decoded.stages[0].run.limits, &plan.stages[0].run.limits,
                        sizeof(struct pe_stage_limits));
    assert_null(decoded.stages[0].run.input.data);
    assert_int_equal(decoded.stages[1].needs, 1);
    assert_int_equal(decoded.cases[1].number, 3);
    assert_int_equal(decoded.cases[0].run.expect.checker, PE_PLAN_NO_CHECKER);
    assert_int_equal(decoded.cases[1].run.expect.checker, 0);
    assert_string_equal(decoded.cases[0].run.expect.sha256, plan.cases[0].run.expect.sha256);
    assert_int_equal(decoded.cases[0].run.input.size, 4);
    assert_memory_equal(decoded.cases[0].run.input.data, "1 2\n", 4);
    assert_non_null(decoded.cases[1].run.expect.answer.data);
    assert_int_equal(decoded.cases[1].run.expect.answer.size, 0);
    encode(&decoded, &again);
    assert_int_equal(again.size, text.size);
    assert_memory_equal(again.data, text.data, text.size);
}

static void an_input_of_several_cases_is_in_the_plan_once(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autoplan struct pe_plan plan, decoded;
    pe_autobuf struct pe_buf text = {0};
    make_plan(&plan);
    encode(&plan, &text);
    assert_int_equal(pe_plan_decode(text.data, text.size, &decoded, &err), 0);
    assert_ptr_equal(decoded.cases[0].run.input.data, decoded.cases[1].run.input.data);
}

static void refused(const void *data, size_t size, const char *part)
{
    struct pe_error err;
    pe_autoplan struct pe_plan plan;
    uint8_t *copy = malloc(size ? size : 1); /* in memory of its own: a sanitizer sees a byte read too many */
    assert_non_null(copy);
    memcpy(copy, data, size);
    assert_int_equal(pe_plan_decode(copy, size, &plan, &err), -1);
    assert_error(err, PE_ERR_MALFORMED, part);
    free(copy);
}

static void a_plan_that_ends_early_is_refused(void **state)
{
    (void)state;
    pe_autoplan struct pe_plan plan;
    pe_autobuf struct pe_buf text = {0};
    make_plan(&plan);
    encode(&plan, &text);
    for (size_t size = 0; size < text.size; size++)
        refused(text.data, size, "");
}

/* A change of the valid plan, and what is said about it. */
struct change {
    void (*change)(struct pe_plan *plan);
    const char *part;
};

static void less_room(struct pe_plan *plan)
{
    plan->report_bytes = pe_plan_report_least(plan) - 1;
}

static void much_room(struct pe_plan *plan)
{
    plan->report_bytes = PE_OUTPUT_BYTES_MAX + 1ull;
}

static void long_time(struct pe_plan *plan)
{
    plan->cases[0].run.limits.wall_ms = PE_STAGE_MS_MAX + 1;
}

static void later_need(struct pe_plan *plan)
{
    plan->stages[1].needs = 2;
}

static void no_command(struct pe_plan *plan)
{
    pe_arguments_free(&plan->stages[1].arguments);
}

static void no_checker(struct pe_plan *plan)
{
    plan->cases[1].run.expect.checker = 1;
}

static void same_number(struct pe_plan *plan)
{
    plan->cases[1].number = plan->cases[0].number;
}

static void great_number(struct pe_plan *plan)
{
    plan->cases[1].number = PE_CASES_MAX;
}

static void short_hash(struct pe_plan *plan)
{
    plan->cases[0].run.expect.sha256[63] = '\0';
}

static void empty_name(struct pe_plan *plan)
{
    plan->stages[0].name[0] = '\0';
}

static void great_code(struct pe_plan *plan)
{
    plan->cases[0].run.expect.exit_code = 256;
}

static void what_is_out_of_bounds_is_refused(void **state)
{
    (void)state;
    static const struct change changes[] = {{less_room, "report that is too small"},
                                            {much_room, "too great"},
                                            {long_time, "too great"},
                                            {later_need, "too great"},
                                            {no_command, "a command"},
                                            {no_checker, "too great"},
                                            {same_number, "not in order"},
                                            {great_number, "too great"},
                                            {short_hash, "hash"},
                                            {empty_name, "name"},
                                            {great_code, "too great"}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        pe_autoplan struct pe_plan plan;
        pe_autobuf struct pe_buf text = {0};
        make_plan(&plan);
        changes[i].change(&plan);
        encode(&plan, &text);
        refused(text.data, text.size, changes[i].part);
    }
}

#define HEAD "pe-plan 1\0"

static void what_is_no_plan_is_refused(void **state)
{
    (void)state;
    static const char other[] = "pe-plan 2\0"
                                "2\0"
                                "0";
    static const char letters[] = HEAD "x";
    static const char beyond[] = HEAD "99";
    static const char great[] = HEAD "18446744073709551616";
    static const char range[] = HEAD "13\0"
                                     "0\0"
                                     "9999\0"
                                     "0\0"
                                     "1\0"
                                     "a";
    refused("", 0, "ends early");
    refused(other, sizeof other, "does not begin");
    refused(letters, sizeof letters, "an invalid number");
    refused(beyond, sizeof beyond, "too great");
    refused(great, sizeof great, "invalid number");
    refused(range, sizeof range, "ends early");
}

/* ---- comparing ---- */

static void compared(const char *text, const char *wanted)
{
    struct pe_error err;
    const size_t size = strlen(text);
    for (size_t cut = 0; cut <= size; cut++) {
        pe_autoexpect struct pe_expect expect;
        pe_autobuf struct pe_buf out = {0};
        pe_expect_begin(&expect, PE_EXPECT_TRAILING_SPACE);
        assert_int_equal(pe_expect_add(&expect, text, cut, &out, &err), 0);
        assert_int_equal(pe_expect_add(&expect, text + cut, size - cut, &out, &err), 0);
        assert_int_equal(out.size, strlen(wanted));
        if (out.size)
            assert_memory_equal(out.data, wanted, out.size);
    }
}

static void white_space_at_the_end_of_lines_and_of_the_output_does_not_count(void **state)
{
    (void)state;
    compared("", "");
    compared(" \n\n\t\r\n", "");
    compared("a", "a");
    compared("a  b \t\r\n\n  c\v\f\n\n", "a  b\n\n  c");
    compared("\n a", "\n a");
}

static void an_exact_comparison_counts_every_byte(void **state)
{
    (void)state;
    struct pe_error err;
    char one[65], other[65], spaces[65];
    assert_int_equal(pe_expect_hash(PE_EXPECT_EXACT, "a\n", 2, one, &err), 0);
    assert_int_equal(pe_expect_hash(PE_EXPECT_EXACT, "a", 1, other, &err), 0);
    assert_int_equal(pe_expect_hash(PE_EXPECT_TRAILING_SPACE, "a \n\n", 4, spaces, &err), 0);
    assert_string_not_equal(one, other);
    assert_string_equal(other, spaces);
}

static void both_implementations_of_sha256_agree(void **state)
{
    (void)state;
    static uint8_t data[300];
    struct pe_error err;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    for (size_t size = 0; size <= sizeof data; size++) {
        char wanted[PE_SHA256_HEX_SIZE], got[PE_SHA256_PLAIN_HEX_SIZE];
        struct pe_sha256_plain hash;
        assert_int_equal(pe_sha256_hex(data, size, wanted, &err), 0);
        pe_sha256_plain_begin(&hash);
        pe_sha256_plain_add(&hash, data, size / 3);
        pe_sha256_plain_add(&hash, data + size / 3, size - size / 3);
        pe_sha256_plain_end(&hash, got);
        assert_string_equal(got, wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_the_same_after_it_was_encoded_and_decoded),
        cmocka_unit_test(an_input_of_several_cases_is_in_the_plan_once),
        cmocka_unit_test(a_plan_that_ends_early_is_refused),
        cmocka_unit_test(what_is_out_of_bounds_is_refused),
        cmocka_unit_test(what_is_no_plan_is_refused),
        cmocka_unit_test(white_space_at_the_end_of_lines_and_of_the_output_does_not_count),
        cmocka_unit_test(an_exact_comparison_counts_every_byte),
        cmocka_unit_test(both_implementations_of_sha256_agree),
    };
    return cmocka_run_group_tests_name("stage_plan", tests, NULL, NULL);
}
