/* SPDX-License-Identifier: Apache-2.0 */
/* Globs. The first line of the input is the pattern, the rest is the path. The matcher agrees with a
 * slow one that tries everything, as long as that ends soon. */
#include "codec/glob.h"
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>

enum { PATTERN_MAX = 24, PATH_BYTES_MAX = 24, STARS_MAX = 5 }; /* of what the slow matcher tries */

/* The ']' of the set that begins at `at`, or NULL. */
static const char *end_of_set(const char *at)
{
    const char *first = at + (at[1] == '!' ? 2 : 1);
    return *first ? strchr(first + 1, ']') : NULL;
}

static bool is_in_set(const char *at, const char *end, unsigned char c)
{
    bool negated = *at == '!', found = false;
    for (at += negated; at < end; at++) {
        bool is_range = end - at > 2 && at[1] == '-';
        unsigned char first = (unsigned char)*at, last = (unsigned char)at[is_range ? 2 : 0];
        found |= first <= c && c <= last;
        at += is_range ? 2 : 0;
    }
    return found != negated;
}

static bool matches(const char *pattern, const char *path);

static bool folders_match(const char *behind, const char *path)
{
    bool matched = matches(behind, path);
    for (; !matched && *path; path++)
        matched = *path == '/' && matches(behind, path + 1);
    return matched;
}

static bool star_matches(const char *behind, bool across, const char *path)
{
    for (;; path++) {
        if (matches(behind, path))
            return true;
        if (!*path || (*path == '/' && !across))
            return false;
    }
}

static bool matches(const char *pattern, const char *path)
{
    const char *end = *pattern == '[' ? end_of_set(pattern) : NULL;
    if (!*pattern)
        return !*path;
    if (!strncmp(pattern, "**/", 3))
        return folders_match(pattern + 3, path);
    if (*pattern == '*')
        return star_matches(pattern + (pattern[1] == '*' ? 2 : 1), pattern[1] == '*', path);
    if (!*path)
        return false;
    if (end)
        return *path != '/' && is_in_set(pattern + 1, end, (unsigned char)*path) &&
               matches(end + 1, path + 1);
    if (*pattern == '?')
        return *path != '/' && matches(pattern + 1, path + 1);
    pattern += *pattern == '\\' && pattern[1];
    return *pattern == *path && matches(pattern + 1, path + 1);
}

static size_t count_stars(const char *pattern)
{
    size_t count = 0;
    for (; *pattern; pattern++)
        count += *pattern == '*';
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_cursor rest = {.at = bytes, .left = size};
    char *pattern = fuzz_line(&rest), *path = fuzz_text(rest.at, rest.left);
    bool matched = pe_glob_match(pattern, path);
    if (strlen(pattern) <= PATTERN_MAX && strlen(path) <= PATH_BYTES_MAX && count_stars(pattern) <= STARS_MAX)
        HOLDS(matched == matches(pattern, path));
    free(pattern);
    free(path);
    return 0;
}
