/* SPDX-License-Identifier: Apache-2.0 */
/* Where the output of a program differs from the expected one, for people. */
#ifndef PE_CLI_CASE_COMPARE_H
#define PE_CLI_CASE_COMPARE_H

#include "base/buffer.h"
#include "base/error.h"
#include "proto/expect.h"

#include <stdbool.h>

#define CASE_NOTE_SIZE 256 /* bytes of a text about one case, with the NUL */

/* Write to `note` which line is the first that differs, and both lines as far as they fit, made printable.
 * `is_cut`: the end of `output` is missing. "" if there is no difference in what is there. PE_ERR_INTERNAL
 * without memory. */
int case_compare(enum pe_expect_compare how, struct pe_cursor expected, struct pe_cursor output, bool is_cut,
                 char note[CASE_NOTE_SIZE], struct pe_error *err) PE_MUST_CHECK;

#endif
