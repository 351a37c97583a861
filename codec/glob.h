/* Globs of a job's `outputs`, matched against paths below /output: `*` and `?` stay within one component,
 * `**` crosses components, `[abc]`, `[a-z]` and `[!x]` are sets, `\` takes the next character as it is. A
 * leading "**" followed by '/' also matches nothing. Bounded work: no recursion deeper than the number of
 * stars. */
#ifndef PE_CODEC_GLOB_H
#define PE_CODEC_GLOB_H

#include <stdbool.h>

/* Bytes of a pattern, without the NUL. A longer one matches nothing. */
#define PE_GLOB_MAX 1024u

/* True if the whole path matches the pattern. */
bool pe_glob_match(const char *pattern, const char *path);

#endif
