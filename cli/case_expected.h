/* SPDX-License-Identifier: Apache-2.0 */
/* What a job expects of a case, as it was sent (docs/cases.md): to show how the output differs. */
#ifndef PE_CLI_CASE_EXPECTED_H
#define PE_CLI_CASE_EXPECTED_H

#include "base/buffer.h"
#include "base/error.h"
#include "cli/files.h"
#include "proto/expect.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct case_expected {
    bool is_known; /* the output is compared with `bytes`, and no checker decides */
    enum pe_expect_compare how;
    struct pe_buf bytes; /* owned by the caller, who frees it with pe_buf_free */
};

/* Find what is expected of the case with this index, or of the last stage if there is none: what a case does
 * not say is what the last stage says. A job of the wrong form expects nothing. PE_ERR_INVALID for a file
 * that cannot be read any more. */
int case_expected_find(const json_t *job, const struct input_files *files, size_t index,
                       struct case_expected *expected, struct pe_error *err) PE_MUST_CHECK;

#endif
