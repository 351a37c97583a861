/* SPDX-License-Identifier: Apache-2.0 */
/* From events to rows. The server is not trusted: an event names a row that the job has, once, and what is
 * kept of it is bounded. */
#include "cli/case_report.h"

#include "base/cleanup.h"
#include "cli/case_expected.h"
#include "codec/base64.h"
#include "proto/job_spec.h"
#include "proto/limits.h"
#include "proto/path.h"

#include <stdlib.h>
#include <string.h>

void case_report_free(struct case_report *report)
{
    json_decref(report->job);
    free(report->stages);
    free(report->cases);
    pe_buf_free(&report->output);
    pe_buf_free(&report->error_output);
    *report = (struct case_report){0};
}

int case_report_init(struct case_report *report, const char *job, const struct input_files *files,
                     struct pe_error *err)
{
    *report = (struct case_report){.files = files, .job = json_loads(job, JSON_ALLOW_NUL, NULL)};
    size_t stages = json_array_size(json_object_get(report->job, "stages"));
    report->case_count = json_array_size(json_object_get(report->job, "cases"));
    report->stage_count = stages - (stages && report->case_count ? 1 : 0);
    report->stages = calloc(report->stage_count + 1, sizeof *report->stages);
    report->cases = calloc(report->case_count + 1, sizeof *report->cases);
    if (report->job && report->stages && report->cases)
        return 0;
    return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the cases of the job");
}

/* ---- members ---- */

static void copy_text(const json_t *event, const char *member, char *text, size_t size)
{
    const json_t *value = json_object_get(event, member);
    pe_path_printable(json_is_string(value) ? json_string_value(value) : "", json_string_length(value), text,
                      size);
}

static double number(const json_t *event, const char *member)
{
    double value = json_number_value(json_object_get(event, member));
    return value > 0 && value < 1e12 ? value : 0;
}

/* A number from 0 to 255, or `otherwise`. */
static int small_number(const json_t *event, const char *member, int otherwise)
{
    const json_t *value = json_object_get(event, member);
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
    return number >= 0 && number <= 255 ? (int)number : otherwise;
}

/* A string, or {"base64": "…"}. Anything else is no output. */
static int read_stream(const json_t *event, const char *member, struct pe_buf *out, struct pe_error *err)
{
    const json_t *value = json_object_get(event, member);
    const json_t *base64 = json_object_get(value, "base64");
    size_t size = 0;
    if (json_is_string(value))
        return pe_buf_append(out, json_string_value(value), json_string_length(value), err);
    if (!json_is_string(base64))
        return 0;
    pe_autofree uint8_t *bytes =
        pe_base64_decode(json_string_value(base64), json_string_length(base64), &size, err);
    return bytes ? pe_buf_append(out, bytes, size, err) : -1;
}

static void read_row(const json_t *event, struct case_row *row)
{
    bool has_verdict = json_object_get(event, "verdict") != NULL;
    copy_text(event, "name", row->name, sizeof row->name);
    copy_text(event, has_verdict ? "verdict" : "status", row->verdict, sizeof row->verdict);
    row->is_known = true;
    row->is_good = !strcmp(row->verdict, has_verdict ? "right" : "ok");
    row->has_run = json_object_get(event, "wall_ms") != NULL;
    row->wall_ms = number(event, "wall_ms");
    row->cpu_ms = number(event, "cpu_ms");
    row->memory_kib = (json_int_t)number(event, "peak_memory_kib");
    row->exit_code = small_number(event, "exit_code", -1);
    row->signal = small_number(event, "signal", 0);
}

/* ---- what is wrong ---- */

/* The first line that the checker has printed. */
static int note_checker(const json_t *checker, struct case_row *row, struct pe_error *err)
{
    pe_autobuf struct pe_buf output = {0};
    char shown[CASE_NOTE_SIZE - 16];
    if (read_stream(checker, "stdout", &output, err) < 0 ||
        (!output.size && read_stream(checker, "stderr", &output, err) < 0))
        return -1;
    const char *end = output.size ? memchr(output.data, '\n', output.size) : NULL;
    size_t size = end ? (size_t)(end - (const char *)output.data) : output.size;
    if (size)
        snprintf(row->note, sizeof row->note, "checker: %s",
                 pe_path_printable((const char *)output.data, size, shown, sizeof shown));
    return 0;
}

static int note_difference(const struct case_report *report, const json_t *event, size_t index,
                           struct case_row *row, struct pe_error *err)
{
    struct case_expected expected;
    pe_autobuf struct pe_buf output = {0};
    bool is_cut = number(event, "stdout_cut") > 0;
    int failed = case_expected_find(report->job, report->files, index, &expected, err);
    if (!failed && expected.is_known)
        failed = read_stream(event, "stdout", &output, err) < 0 ||
                 case_compare(
                     expected.how, (struct pe_cursor){.at = expected.bytes.data, .left = expected.bytes.size},
                     (struct pe_cursor){.at = output.data, .left = output.size}, is_cut, row->note, err) < 0;
    pe_buf_free(&expected.bytes);
    return failed ? -1 : 0;
}

static int note_reason(const struct case_report *report, const json_t *event, size_t index,
                       struct case_row *row, struct pe_error *err)
{
    const json_t *checker = json_object_get(event, "checker");
    if (checker)
        return row->is_good ? 0 : note_checker(checker, row, err);
    return !strcmp(row->verdict, "wrong") ? note_difference(report, event, index, row, err) : 0;
}

/* ---- events ---- */

/* Keep the output of the first stage that fails or, if nothing fails and there are no cases, of the last. */
static int keep_output(struct case_report *report, const json_t *event, size_t index, struct pe_error *err)
{
    const struct case_row *row = &report->stages[index];
    bool is_last = !report->case_count && index + 1 == report->stage_count;
    for (size_t i = 0; i < index; i++)
        if (report->stages[i].is_known && !report->stages[i].is_good)
            return 0;
    if (row->is_good && !is_last)
        return 0;
    report->output.size = report->error_output.size = 0;
    if (read_stream(event, "stdout", &report->output, err) < 0)
        return -1;
    return read_stream(event, "stderr", &report->error_output, err);
}

int case_report_take(struct case_report *report, bool is_case, const json_t *event, struct pe_error *err)
{
    const json_t *value = json_object_get(event, "index");
    size_t index = json_is_integer(value) ? (size_t)json_integer_value(value) : SIZE_MAX;
    struct case_row *row = is_case ? report->cases : report->stages;
    if (index >= (is_case ? report->case_count : report->stage_count))
        return pe_fail(err, PE_ERR_MALFORMED, "the job has no %s with this index",
                       is_case ? "case" : "stage");
    row += index;
    if (row->is_known)
        return pe_fail(err, PE_ERR_MALFORMED, "it was sent before");
    read_row(event, row);
    if (!is_case && keep_output(report, event, index, err) < 0)
        return -1;
    if (!is_case)
        return !report->case_count && index + 1 == report->stage_count
                   ? note_reason(report, event, index, row, err)
                   : 0;
    report->done++;
    report->right += row->is_good;
    return note_reason(report, event, index, row, err);
}
