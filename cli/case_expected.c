/* SPDX-License-Identifier: Apache-2.0 */
/* Reading `expect` of a case and of the last stage. */
#include "cli/case_expected.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/base64.h"
#include "proto/limits.h"

#include <fcntl.h>
#include <string.h>

/* True if it says what the output is: a string, or an object with one of these members. */
static bool has_output(const json_t *expect)
{
    return json_is_string(expect) || json_object_get(expect, "text") || json_object_get(expect, "base64") ||
           json_object_get(expect, "file");
}

static bool has_judge(const json_t *expect)
{
    return json_object_get(expect, "compare") || json_object_get(expect, "checker");
}

static int read_text(const json_t *text, struct case_expected *expected, struct pe_error *err)
{
    expected->is_known = true;
    return pe_buf_append(&expected->bytes, json_string_value(text), json_string_length(text), err);
}

static int read_base64(const json_t *text, struct case_expected *expected, struct pe_error *err)
{
    size_t size = 0;
    pe_autofree uint8_t *bytes =
        pe_base64_decode(json_string_value(text), json_string_length(text), &size, err);
    expected->is_known = true;
    return bytes ? pe_buf_append(&expected->bytes, bytes, size, err) : -1;
}

static int read_file(const char *name, const struct input_files *files, struct case_expected *expected,
                     struct pe_error *err)
{
    const struct input_file *file = input_files_find(files, name);
    expected->is_known = file != NULL;
    if (!file)
        return 0;
    if (file->path)
        return pe_read_file(AT_FDCWD, file->path, PE_INPUT_BYTES_MAX, &expected->bytes, err);
    const struct pe_buf *bytes = input_file_bytes(files, file);
    return pe_buf_append(&expected->bytes, bytes->data, bytes->size, err);
}

static int read_output(const json_t *expect, const struct input_files *files, struct case_expected *expected,
                       struct pe_error *err)
{
    const json_t *text = json_is_string(expect) ? expect : json_object_get(expect, "text");
    const json_t *base64 = json_object_get(expect, "base64");
    const json_t *file = json_object_get(expect, "file");
    if (json_is_string(text))
        return read_text(text, expected, err);
    if (json_is_string(base64))
        return read_base64(base64, expected, err);
    return json_is_string(file) ? read_file(json_string_value(file), files, expected, err) : 0;
}

int case_expected_find(const json_t *job, const struct input_files *files, size_t index,
                       struct case_expected *expected, struct pe_error *err)
{
    const json_t *stages = json_object_get(job, "stages");
    const json_t *of_stage = json_object_get(json_array_get(stages, json_array_size(stages) - 1), "expect");
    const json_t *of_case = json_object_get(json_array_get(json_object_get(job, "cases"), index), "expect");
    const json_t *judge = has_judge(of_case) ? of_case : of_stage;
    const char *compare = json_string_value(json_object_get(judge, "compare"));
    *expected = (struct case_expected){
        .how = compare && !strcmp(compare, "exact") ? PE_EXPECT_EXACT : PE_EXPECT_TRAILING_SPACE};
    if (json_object_get(judge, "checker"))
        return 0;
    return read_output(has_output(of_case) ? of_case : of_stage, files, expected, err);
}
