/* SPDX-License-Identifier: Apache-2.0 */
/* Counting the values of a JSON text. Every value but the outermost one is the first of its array or
 * object, or has a comma in front. */
#include "codec/json_bounds.h"

#include "base/buffer.h"

static void skip_string(struct pe_cursor *rest)
{
    while (rest->left) {
        const uint8_t byte = *rest->at;
        pe_cursor_read(rest, 1);
        if (byte == '"')
            return;
        if (byte == '\\')
            pe_cursor_read(rest, 1);
    }
}

int pe_json_count_values(const void *text, size_t size, size_t values_max, size_t *count,
                         struct pe_error *err)
{
    struct pe_cursor rest = {.at = text, .left = size};
    size_t values = 1, depth = 0;
    while (rest.left) {
        const uint8_t byte = *rest.at;
        pe_cursor_read(&rest, 1);
        if (byte == '"')
            skip_string(&rest);
        else if (byte == '{' || byte == '[')
            depth++, values++;
        else if (byte == '}' || byte == ']')
            depth -= depth > 0;
        else if (byte == ',')
            values++;
        if (depth > PE_JSON_DEPTH_MAX)
            return pe_fail(err, PE_ERR_MALFORMED, "the JSON is nested deeper than %u", PE_JSON_DEPTH_MAX);
        if (values > values_max)
            return pe_fail(err, PE_ERR_TOO_LARGE, "the JSON has more than %zu values", values_max);
    }
    *count = values;
    return 0;
}

int pe_json_check_bounds(const void *text, size_t size, size_t values_max, struct pe_error *err)
{
    size_t ignored = 0;
    return pe_json_count_values(text, size, values_max, &ignored, err);
}
