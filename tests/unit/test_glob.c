/* SPDX-License-Identifier: Apache-2.0 */
/* Globs of outputs. */
#include "codec/glob.h"
#include "tests/unit/check.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* A pattern that matches nothing, in front of a page that cannot be read. */
static void the_end_of_a_pattern_is_not_passed(void **state)
{
    (void)state;
    static const char *const patterns[] = {"[",  "[!", "[!]", "[]",  "a[b", "[]x",
                                           "\\", "*",  "**",  "**/", "[a-"};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        size_t size = strlen(patterns[i]) + 1;
        memcpy(pages + page - size, patterns[i], size);
        check(pages + page - size, "x/none",
              patterns[i][0] == '*' && patterns[i][1] == '*' && !patterns[i][2]);
    }
    munmap(pages, 2 * page);
}

static void long_patterns_match_as_short_ones_do(void **state)
{
    (void)state;
    char pattern[PE_GLOB_MAX + 1], path[PE_GLOB_MAX + 1];
    for (size_t before = 0; before < 400; before++) { /* every place in a word of the automaton */
        memset(pattern, 'a', before);
        memset(path, 'a', before);
        strcpy(pattern + before, "b**/[c-e]*?\\[z");
        strcpy(path + before, "b/x/dxy[z");
        check(pattern, path, true);
        path[before + 4] = 'f';
        check(pattern, path, false);
        strcpy(path + before, "bcy[z"); /* "**" and its slash match nothing */
        check(pattern, path, true);
        strcpy(path + before, "bc[z"); /* nothing is left for the question mark */
        check(pattern, path, false);
    }
}

static void stars_in_a_row_are_as_one(void **state)
{
    (void)state;
    check("***", "a/b", true);
    check("****/x", "a/b/x", true);
    check("**/**/x", "x", true);
    check("**/**/x", "a/b/c/x", true);
    check("**/*", "x", true);
    check("a**/*b", "a/c/xb", true);
    check("a**/*b", "ab", true);
    check("a**/*b", "axb", true);
    check("a**/*b", "a/x", false);
    check("**/***/x", "x", false);
    check("**/***/x", "a/x", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_star_stays_within_one_component),
        cmocka_unit_test(two_stars_cross_components),
        cmocka_unit_test(sets_question_marks_and_escapes),
        cmocka_unit_test(the_end_of_a_pattern_is_not_passed),
        cmocka_unit_test(long_patterns_match_as_short_ones_do),
        cmocka_unit_test(stars_in_a_row_are_as_one),
        cmocka_unit_test(no_pattern_takes_exponential_time),
    };
    return cmocka_run_group_tests_name("glob", tests, NULL, NULL);
}
