/* SPDX-License-Identifier: Apache-2.0 */
/* Times and durations as people write them. */
#ifndef PE_BASE_TIME_TEXT_H
#define PE_BASE_TIME_TEXT_H

#include "base/error.h"

#include <stdint.h>

#define PE_TIME_TEXT_SIZE 32u

/* Write a time, in seconds since 1970, as RFC 3339 has it in UTC ("2026-01-31T23:59:59Z"), and return `text`.
 * 0 and less become "". */
const char *pe_time_text(int64_t seconds, char text[PE_TIME_TEXT_SIZE]);

/* Parse a duration: a whole number and one of the letters s, m, h, d ("90s", "1h"). Returns its seconds, or
 * PE_ERR_INVALID for anything else, and for 0 or more than 10 years. */
int64_t pe_duration_parse(const char *text, struct pe_error *err) PE_MUST_CHECK;

#endif
