/* SPDX-License-Identifier: Apache-2.0 */
/* Semantic versions (semver.org 2.0.0) and the version ranges of npm's package "semver": "*", "3",
 * "3.10.x", "^1.2", "~1.2.3", ">=1.2 <2", "1.2 - 1.4", "1 || 2". */
#ifndef PE_CODEC_SEMVER_H
#define PE_CODEC_SEMVER_H

#include <stdbool.h>
#include <stdint.h>

#define PE_SEMVER_TEXT_MAX 256u /* bytes of a version or a range; a longer one is not valid */

struct pe_semver {
    uint64_t part[3];                    /* major, minor, patch */
    char prerelease[PE_SEMVER_TEXT_MAX]; /* empty: none */
};

/* Parse a text that is exactly one version. False if it is not; `version` is then undefined. */
bool pe_semver_parse(const char *text, struct pe_semver *version);

/* Compare by precedence (semver.org, 11). Negative if `a` is lower, 0 if both are equal, positive
 * otherwise. */
int pe_semver_compare(const struct pe_semver *a, const struct pe_semver *b);

/* True if the version is in the range. No version is in a text that is not a valid range. A
 * prerelease is only in ranges that name a prerelease of the same three numbers. */
bool pe_semver_satisfies(const struct pe_semver *version, const char *range);

#endif
