/* Globs of a job's `outputs`, matched against paths below /output: `*` and `?` stay within one component,
 * `**` crosses components, `[abc]`, `[a-z]` and `[!x]` are sets, `\` takes the next character as it is. A
 * leading
 * "**" followed by '/' also matches nothing. Bounded work: no recursion deeper than the number of stars. */
#ifndef PE_CODEC_GLOB_H
#define PE_CODEC_GLOB_H

#include <stdbool.h>

bool pe_glob_match(const char *pattern, const char *path);

#endif
