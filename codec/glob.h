/* SPDX-License-Identifier: Apache-2.0 */
/* Globs, matched against relative paths. "*" and "?" match within one component of a path, and "**"
 * matches across components. "[abc]" and "[a-z]" are sets of characters, and "[!x]" is the
 * complement of one. A backslash makes the next character literal. A "**" before a slash also
 * matches the empty path, so that "**" followed by "/x.c" matches "x.c". */
#ifndef PE_CODEC_GLOB_H
#define PE_CODEC_GLOB_H

#include <stdbool.h>

#define PE_GLOB_MAX 1024u /* bytes of a pattern, without the NUL */

/* True if the pattern matches the whole path. The time is proportional to the length of the path,
 * and to the length of the pattern in words of 64 bytes, whatever they contain. A pattern longer than
 * PE_GLOB_MAX matches nothing. */
bool pe_glob_match(const char *pattern, const char *path);

#endif
