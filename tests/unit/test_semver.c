/* SPDX-License-Identifier: Apache-2.0 */
/* Versions, and the ranges in which Piston's clients choose one. */
#include "codec/semver.h"
#include "tests/unit/check.h"

#include <stdio.h>

static bool takes(const char *range, const char *text)
{
    struct pe_semver version;
    assert_true(pe_semver_parse(text, &version));
    return pe_semver_satisfies(&version, range);
}

static void a_version_is_whole_or_none(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", "1", "1.2", "1.2.x", "1.2.3.4", "a.b.c", "01.2.3", "1.2.3-", "1.2.3+", "1.2.3 ", "-1.2.3", "1..3",
        "1.2.", "1.2.3-a!", "1,2,3", "1234567890123456.0.0",
        /* identifiers: semver.org, 9 and 10 */
        "1.2.3-a.", "1.2.3-.a", "1.2.3-a..b", "1.2.3+a..b", "1.2.3-01", "1.2.3-a.00"};
    struct pe_semver version;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (pe_semver_parse(wrong[i], &version))
            fail_msg("'%s' was taken for a version", wrong[i]);
    assert_true(pe_semver_parse("1.2.3-0.0a+01", &version));
    assert_true(pe_semver_parse("3.10.0-alpha.7+linux", &version));
    assert_int_equal(version.part[1], 10);
    assert_string_equal(version.prerelease, "alpha.7");
}

static void precedence_is_that_of_semver_org(void **state)
{
    (void)state;
    /* semver.org, section 11 */
    static const char *const ascending[] = {"0.9.9",      "1.0.0-alpha",  "1.0.0-alpha.1", "1.0.0-alpha.beta",
                                            "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
                                            "1.0.0",      "1.0.10",       "1.2.0",         "2.0.0"};
    for (size_t i = 0; i + 1 < sizeof ascending / sizeof *ascending; i++) {
        struct pe_semver low, high;
        assert_true(pe_semver_parse(ascending[i], &low) && pe_semver_parse(ascending[i + 1], &high));
        if (pe_semver_compare(&low, &high) >= 0 || pe_semver_compare(&high, &low) <= 0)
            fail_msg("%s is not below %s", ascending[i], ascending[i + 1]);
        assert_int_equal(pe_semver_compare(&low, &low), 0);
    }
}

static void a_range_takes_what_npms_semver_takes(void **state)
{
    (void)state;
    /* Each line: a range, a version it takes, one it does not (NULL: none). */
    static const struct {
        const char *range, *in, *out;
    } cases[] = {
        {"*", "14.2.0", "14.2.0-rc.1"},
        {" ", "14.2.0", NULL},
        {"14", "14.2.0", "13.9.9"},
        {"14.x", "14.2.0", "15.0.0"},
        {"3.10.x", "3.10.4", "3.11.0"},
        {"3.10.X", "3.10.4", "3.1.4"},
        {"3.10.*", "3.10.0", "3.9.10"},
        {"3.10", "3.10.9", "3.100.0"},
        {"3.10.0", "3.10.0", "3.10.1"},
        {"=v3.10.0", "3.10.0", "3.10.1"},
        {"^1.2.3", "1.9.0", "2.0.0"},
        {"^0.2.3", "0.2.9", "0.3.0"},
        {"^0.0.3", "0.0.3", "0.0.4"},
        {"^0", "0.9.0", "1.0.0"},
        {"^0.0", "0.0.9", "0.1.0"},
        {"~1.2.3", "1.2.9", "1.3.0"},
        {"~1.2", "1.2.0", "1.3.0"},
        {"~1", "1.9.9", "2.0.0"},
        {"~> 1.2", "1.2.5", "1.3.0"},
        {">1.2", "1.3.0", "1.2.9"},
        {">=1.2 <2", "1.2.0", "2.0.0"},
        {"> 1.2.3", "1.2.4", "1.2.3"},
        {"<=1.2", "1.2.9", "1.3.0"},
        {"<1.2", "1.1.9", "1.2.0"},
        {"1.2 - 1.4", "1.4.9", "1.5.0"},
        {"1.2.3 - 2", "2.9.9", "3.0.0"},
        {"1 || 3", "3.1.0", "2.0.0"},
        {"1||>=3 <4", "3.9.9", "4.0.0"},
        {"|| 9", "9.0.0", NULL}, /* an empty set of bounds takes everything */
        {">=3.10.0-alpha.1", "3.10.0-alpha.7", "3.10.0-alpha.0"},
        {">=3.9.0", "3.10.0", "3.10.0-alpha.7"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!takes(cases[i].range, cases[i].in))
            fail_msg("'%s' does not take %s", cases[i].range, cases[i].in);
        if (cases[i].out && takes(cases[i].range, cases[i].out))
            fail_msg("'%s' takes %s", cases[i].range, cases[i].out);
    }
}

static void what_is_no_range_takes_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = {"latest", "1.2.3.4", "1 |", "1 | 2",  ">>1", ">",
                                        "^",      "1 -",     "- 2", "1.x.3.", "01",  "1.2.3-",
                                        "*-a",    ">x.1.",   "1,2", "é",      "\n",  "1\t\v2"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (takes(wrong[i], "1.2.3"))
            fail_msg("'%s' was taken for a range", wrong[i]);
    char large[4096];
    memset(large, '9', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    assert_false(takes(large, "1.2.3"));
    for (size_t i = 0; i + 2 < sizeof large; i += 2)
        memcpy(large + i, "||", 2);
    assert_false(takes(large, "1.2.3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_is_whole_or_none),
        cmocka_unit_test(precedence_is_that_of_semver_org),
        cmocka_unit_test(a_range_takes_what_npms_semver_takes),
        cmocka_unit_test(what_is_no_range_takes_nothing),
    };
    return cmocka_run_group_tests_name("semantic versions", tests, NULL, NULL);
}
