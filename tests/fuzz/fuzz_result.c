/* SPDX-License-Identifier: Apache-2.0 */
/* The entry `result` of a guest's output. What is accepted is JSON, and the same after it was decoded and
 * encoded again, by the reader and with the JSON library. */
#include "base/cleanup.h"
#include "proto/job_spec.h"
#include "proto/result.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/result_text.h"

static void check_reader(const struct pe_buf *text)
{
    pe_autobuf struct pe_buf again = {0};
    struct pe_error err;
    struct pe_result result = {0};
    struct pe_json_reader reader = pe_json_read(text->data, text->size);
    pe_result_parse_json(&reader, &result);
    HOLDS(pe_json_ended(&reader, &err) == 0);
    HOLDS(result_text(&result, &again) == 0);
    HOLDS(again.size == text->size && !memcmp(again.data, text->data, text->size));
}

static void check_library(const struct pe_buf *text)
{
    pe_autobuf struct pe_buf again = {0};
    struct pe_error err;
    struct pe_result result;
    pe_autojson json_t *json = json_loadb((const char *)text->data, text->size, 0, NULL);
    HOLDS(json && pe_result_from_json(json, &result, &err) == 0);
    HOLDS(result_text(&result, &again) == 0);
    HOLDS(again.size == text->size && !memcmp(again.data, text->data, text->size));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pe_autobuf struct pe_buf text = {0}, clean = {0};
    struct pe_error err;
    struct pe_result result;
    if (pe_result_from_flat(bytes, size, &result, &err) < 0)
        return 0;
    HOLDS(result_text(&result, &text) == 0);
    /* Bytes that are not UTF-8 are repaired by the first encoding. */
    struct pe_json_reader reader = pe_json_read(text.data, text.size);
    pe_result_parse_json(&reader, &result);
    HOLDS(pe_json_ended(&reader, &err) == 0);
    HOLDS(result_text(&result, &clean) == 0);
    check_reader(&clean);
    check_library(&clean);
    return 0;
}
