/* SPDX-License-Identifier: Apache-2.0 */
/* Versions and ranges. The first three lines of the input are versions, which are in a total order.
 * The rest is a range, and ranges made of a version agree with that order. */
#include "codec/semver.h"
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>

enum { VERSIONS = 3 };

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

static void check_order(const struct pe_semver *a, const struct pe_semver *b, const struct pe_semver *c)
{
    int order = sign(pe_semver_compare(a, b));
    bool same = !memcmp(a->part, b->part, sizeof a->part) && !strcmp(a->prerelease, b->prerelease);
    HOLDS(order == -sign(pe_semver_compare(b, a)));
    HOLDS((order == 0) == same);
    if (order <= 0 && pe_semver_compare(b, c) <= 0)
        HOLDS(pe_semver_compare(a, c) <= 0);
}

/* The range `relation` with the version `limit` holds as the order says. */
static void check_relation(const struct pe_semver *version, const char *relation, const char *limit,
                           bool expected)
{
    char range[PE_SEMVER_TEXT_MAX + 8];
    int size = snprintf(range, sizeof range, "%s%s", relation, limit);
    bool is_long = size >= (int)PE_SEMVER_TEXT_MAX;
    HOLDS(pe_semver_satisfies(version, range) == (expected && !is_long));
}

/* A prerelease is only in ranges that name one, so relations between different versions are compared
 * without. */
static void check_ranges(const struct pe_semver *version, const struct pe_semver *limit, const char *text)
{
    int order = pe_semver_compare(version, limit);
    if (*version->prerelease && order != 0)
        return;
    text += *text == 'v' || *text == '=';
    bool names = !*version->prerelease || *limit->prerelease;
    check_relation(version, ">=", text, names && order >= 0);
    check_relation(version, "<=", text, names && order <= 0);
    check_relation(version, ">", text, names && order > 0);
    check_relation(version, "<", text, names && order < 0);
    check_relation(version, "", text, names && order == 0);
}

/* A version stays in a range when more is allowed, and leaves it when nothing is. */
static void check_range(const struct pe_semver *version, const char *range)
{
    char wider[PE_SEMVER_TEXT_MAX + 16];
    bool satisfied = pe_semver_satisfies(version, range);
    if (!satisfied || strlen(range) + 8 >= PE_SEMVER_TEXT_MAX)
        return;
    snprintf(wider, sizeof wider, "%s||0.0.0", range);
    HOLDS(pe_semver_satisfies(version, wider));
    snprintf(wider, sizeof wider, "0.0.0||%s", range);
    HOLDS(pe_semver_satisfies(version, wider));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_cursor rest = {.at = bytes, .left = size};
    char *texts[VERSIONS];
    struct pe_semver versions[VERSIONS];
    size_t count = 0;
    for (size_t i = 0; i < VERSIONS; i++) {
        texts[i] = fuzz_line(&rest);
        count += pe_semver_parse(texts[i], &versions[i]);
    }
    char *range = fuzz_text(rest.at, rest.left);
    for (size_t i = 0; count == VERSIONS && i < VERSIONS; i++) {
        size_t next = (i + 1) % VERSIONS;
        check_order(&versions[i], &versions[next], &versions[(i + 2) % VERSIONS]);
        check_ranges(&versions[i], &versions[next], texts[next]);
        check_ranges(&versions[i], &versions[i], texts[i]);
        check_range(&versions[i], range);
    }
    for (size_t i = 0; i < VERSIONS; i++)
        free(texts[i]);
    free(range);
    return 0;
}
