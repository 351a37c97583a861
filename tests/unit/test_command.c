/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that are several commands: which one runs, with which arguments, and what it returns. */
#include "base/command.h"
#include "tests/unit/check.h"

static int seen_count;
static char *seen[2];

static int run_seven(int argc, char **argv, struct pe_error *err)
{
    (void)err;
    seen_count = argc;
    for (int i = 0; i < argc && i < 2; i++) {
        seen[i] = argv[i];
    }
    return 7;
}

static int run_badly(int argc, char **argv, struct pe_error *err)
{
    (void)argc;
    return pe_fail(err, PE_ERR_LOST, "%s is lost", argv[0]);
}

static const struct pe_command commands[] = {
    {"seven", "return 7", run_seven}, {"bad", "fail", run_badly}, {0}};
static const struct pe_command_list list = {.program = "tool", .about = "Try commands.", .items = commands};

static int run(struct pe_error *err, char *first, char *second)
{
    char name[] = "tool";
    char *argv[] = {name, first, second, NULL};
    return pe_command_run(&list, 1 + (first != NULL) + (second != NULL), argv, err);
}

static void a_command_gets_its_own_arguments_and_decides_the_exit_status(void **state)
{
    (void)state;
    struct pe_error err;
    char name[] = "seven", argument[] = "--option";
    assert_int_equal(run(&err, name, argument), 7);
    assert_int_equal(seen_count, 2);
    assert_string_equal(seen[0], "seven");
    assert_ptr_equal(seen[1], argument);
}

static void the_error_of_a_command_is_passed_on(void **state)
{
    (void)state;
    struct pe_error err;
    char name[] = "bad";
    assert_int_equal(run(&err, name, NULL), -1);
    assert_error(err, PE_ERR_LOST, "bad is lost");
}

static void an_unknown_or_missing_command_is_a_usage_error(void **state)
{
    (void)state;
    struct pe_error err;
    char name[] = "seve";
    assert_int_equal(run(&err, name, NULL), -1);
    assert_error(err, PE_ERR_INVALID, "there is no command 'seve'; see tool --help");
    assert_int_equal(run(&err, NULL, NULL), -1);
    assert_error(err, PE_ERR_INVALID, "expected a command; see tool --help");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_gets_its_own_arguments_and_decides_the_exit_status),
        cmocka_unit_test(the_error_of_a_command_is_passed_on),
        cmocka_unit_test(an_unknown_or_missing_command_is_a_usage_error),
    };
    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
