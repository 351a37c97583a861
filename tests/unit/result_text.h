/* SPDX-License-Identifier: Apache-2.0 */
/* A result as the text of a JSON object, for tests and fuzzers that decode it again. */
#ifndef PE_TESTS_RESULT_TEXT_H
#define PE_TESTS_RESULT_TEXT_H

#include "proto/result.h"

/* Append the object to `text`. Returns 0, or -1 without memory. */
static inline int result_text(const struct pe_result *result, struct pe_buf *text)
{
    struct pe_error err;
    struct pe_json_writer writer = pe_json_write(text, &err);
    pe_json_open(&writer, NULL, '{');
    pe_result_append_members(result, &writer);
    pe_json_close(&writer, '}');
    return pe_json_finish(&writer);
}

#endif
