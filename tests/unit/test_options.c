/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines that are wrong. */
#include "base/options.h"
#include "tests/unit/check.h"

#include <stdio.h>

static bool flag;
static uint64_t number;
static const struct pe_option options[] = {
    {"flag", 'f', NULL, "", PE_OPTION_FLAG, &flag},
    {"number", 'n', "N", "", PE_OPTION_NUMBER, &number},
    {0},
};

/* Parse one or two arguments that are no command line, and return the message. */
static const char *message_for(const char *first, const char *second, bool stop_early)
{
    static struct pe_error err;
    static char texts[3][32];
    const struct pe_program program = {.name = "pe-x", .usage = "", .about = "", .options = options};
    char *argv[] = {texts[0], texts[1], texts[2], NULL};
    int rest = 0;
    snprintf(texts[0], sizeof texts[0], "pe-x");
    snprintf(texts[1], sizeof texts[1], "%s", first);
    snprintf(texts[2], sizeof texts[2], "%s", second ? second : "");
    if (!second)
        argv[2] = NULL;
    assert_int_equal(pe_options_parse(&program, second ? 3 : 2, argv, stop_early, &rest, &err), -1);
    assert_int_equal(err.kind, PE_ERR_INVALID);
    return err.message;
}

static void a_wrong_option_is_named_as_it_was_typed(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second, *message;
    } cases[] = {
        {"--bogus", NULL, "unknown option '--bogus'; see pe-x --help"},
        {"--bogus=1", "x", "unknown option '--bogus=1'; see pe-x --help"},
        {"-X", NULL, "unknown option '-X'; see pe-x --help"},
        {"-fX", NULL, "unknown option '-X'; see pe-x --help"},
        {"--number", NULL, "a value is missing after '--number'; see pe-x --help"},
        {"-f", "-n", "a value is missing after '-n'; see pe-x --help"},
        {"--help=x", NULL, "there is a value after an option that takes none: '--help=x'; see pe-x --help"},
        {"--flag=x", "y", "there is a value after an option that takes none: '--flag=x'; see pe-x --help"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int early = 0; early < 2; early++)
            assert_string_equal(message_for(cases[i].first, cases[i].second, early), cases[i].message);
}

static void a_number_must_be_whole(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "x", "1x", "-1", "1.5", "99999999999999999999"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_non_null(strstr(message_for("--number", texts[i], false), "--number takes a whole number"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_option_is_named_as_it_was_typed),
        cmocka_unit_test(a_number_must_be_whole),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
