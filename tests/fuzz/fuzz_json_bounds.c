/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds of JSON before it becomes a tree. The first byte of the input is the bound. The tree of a
 * text that is accepted keeps it, and a text whose tree has room to spare is accepted. */
#include "codec/json_bounds.h"
#include "proto/job_spec.h"
#include "tests/fuzz/fuzz.h"

/* Values in a tree, and its depth. */
static size_t count(const json_t *json, size_t depth, size_t *depth_max)
{
    size_t values = 1, i = 0;
    const char *key = NULL;
    json_t *value = NULL;
    depth += json_is_array(json) || json_is_object(json);
    *depth_max = depth > *depth_max ? depth : *depth_max;
    json_array_foreach((json_t *)json, i, value)
    {
        values += count(value, depth, depth_max);
    }
    json_object_foreach((json_t *)json, key, value)
    {
        values += count(value, depth, depth_max);
    }
    return values;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_cursor rest = {.at = bytes, .left = size};
    struct pe_error err;
    size_t most = 1 + fuzz_byte(&rest), depth = 0;
    int accepted = pe_json_check_bounds(rest.at, rest.left, most, &err) == 0;
    pe_autojson json_t *json =
        rest.left ? json_loadb((const char *)rest.at, rest.left,
                               JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL)
                  : NULL;
    size_t values = json ? count(json, 0, &depth) : 0;
    if (json && accepted)
        HOLDS(values <= most && depth <= PE_JSON_DEPTH_MAX);
    if (json && !accepted)
        HOLDS(2 * values > most || depth > PE_JSON_DEPTH_MAX);
    return 0;
}
