/* SPDX-License-Identifier: Apache-2.0 */
/* Globs of outputs. */
#include "codec/glob.h"
#include "tests/unit/check.h"

#include <stdbool.h>

static void check(const char *pattern, const char *path, bool wanted)
{
    if (pe_glob_match(pattern, path) != wanted)
        fail_msg("'%s' against '%s' should be %d", pattern, path, wanted);
}

static void a_star_stays_within_one_component(void **state)
{
    (void)state;
    check("*.o", "main.o", true);
    check("*.o", "sub/main.o", false);
    check("sub/*.o", "sub/main.o", true);
    check("*", "", true);
    check("a*b*c", "aXbYc", true);
    check("a*b*c", "aXbY", false);
}

static void two_stars_cross_components(void **state)
{
    (void)state;
    check("**", "a/b/c", true);
    check("plots/**", "plots/a/b.png", true);
    check("plots/**", "other/a", false);
    check("**/x.c", "x.c", true);
    check("**/x.c", "a/b/x.c", true);
    check("**/x.c", "ax.c", false);
    check("**.c", "a/b.c", true);
}

static void sets_question_marks_and_escapes(void **state)
{
    (void)state;
    check("?.c", "a.c", true);
    check("?.c", "/.c", false);
    check("[a-c]x", "bx", true);
    check("[!a-c]x", "bx", false);
    check("[!a-c]x", "dx", true);
    check("[x", "[x", true);
    check("\\*", "*", true);
    check("\\*", "a", false);
}

static void no_pattern_takes_exponential_time(void **state)
{
    (void)state;
    check("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
          false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_star_stays_within_one_component),
        cmocka_unit_test(two_stars_cross_components),
        cmocka_unit_test(sets_question_marks_and_escapes),
        cmocka_unit_test(no_pattern_takes_exponential_time),
    };
    return cmocka_run_group_tests_name("glob", tests, NULL, NULL);
}
