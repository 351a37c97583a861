/* Semantic versions (semver.org 2.0.0) and the ranges of npm's semver package, in which Piston's clients say
 * which version they want: "*", "3", "3.10.x", "^1.2", "~1.2.3", ">=1.2 <2", "1.2 - 1.4", "1 || 2". */
#ifndef PE_CODEC_SEMVER_H
#define PE_CODEC_SEMVER_H

#include <stdbool.h>
#include <stdint.h>

#define PE_SEMVER_TEXT_MAX 256u /* bytes of a version or a range; a longer one is not valid */

struct pe_semver {
    uint64_t part[3];                    /* major, minor, patch */
    char prerelease[PE_SEMVER_TEXT_MAX]; /* empty: none */
};

/* Whether `text` is one whole version. */
bool pe_semver_parse(const char *text, struct pe_semver *version);

/* By precedence: negative, 0, positive. */
int pe_semver_compare(const struct pe_semver *a, const struct pe_semver *b);

/* Whether a range takes the version; one that is no range takes none. A prerelease is taken only by a range
 * that names a prerelease of the same three numbers. */
bool pe_semver_satisfies(const struct pe_semver *version, const char *range);

#endif
