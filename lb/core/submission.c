/* SPDX-License-Identifier: Apache-2.0 */
/* From multipart bytes to a checked submission, and the rules between files. There is no I/O in here, and
 * no HTTP beyond the Content-Type. Bodies in JSON are read in submission_json.c, and the job itself in
 * submission_job.c. */
#include "lb/core/submission.h"

#include "base/cleanup.h"
#include "codec/multipart.h"
#include "codec/utf8_text.h"
#include "proto/limits.h"
#include "proto/stage_plan.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- the job part ---- */

/* Browsers send application/json, `curl -F job=@file` sends octet-stream, `curl -F 'job={…}'` sends
 * nothing.
 * */
static bool is_json_type(const char *content_type)
{
    size_t size = strcspn(content_type, "; \t");
    return size == 0 || (size == 16 && !strncasecmp(content_type, "application/json", size)) ||
           (size == 24 && !strncasecmp(content_type, "application/octet-stream", size));
}

static int parse_job_part(struct pe_form *form, struct submission *submission, struct pe_error *err)
{
    struct pe_form_part part;
    int got = pe_form_next(form, &part, err);
    if (got < 0)
        return -1;
    if (got == 0 || strcmp(part.name, "job") != 0)
        return pe_fail(err, PE_ERR_MALFORMED, "the first part must be named 'job'");
    if (!is_json_type(part.content_type))
        return pe_fail(err, PE_ERR_MALFORMED, "part 'job' must be application/json");
    return submission_parse_job(part.data, part.size, submission, err);
}

/* ---- the files ---- */

static int check_totals(const struct submission *submission, struct pe_error *err)
{
    if (submission->files.count > PE_INPUT_FILES_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "more than %u input files", PE_INPUT_FILES_MAX);
    if (submission->names > SUBMISSION_NAMES_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the names of the input files have more than %u bytes together",
                       SUBMISSION_NAMES_MAX);
    if (submission->total > PE_INPUT_BYTES_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE,
                       "the input files have more than %u bytes together (%llu up to '%.96s')",
                       PE_INPUT_BYTES_MAX, (unsigned long long)submission->total,
                       submission->files.items[submission->files.count - 1].path.text);
    return 0;
}

static int check_part_name(const struct pe_form_part *part, struct pe_error *err)
{
    char shown[64];
    if (!strcmp(part->name, "job"))
        return pe_fail(err, PE_ERR_INVALID, "part 'job' may be sent only once");
    if (strcmp(part->name, "file") != 0)
        return pe_fail(err, PE_ERR_INVALID, "unknown part '%s'; only 'file' parts may follow 'job'",
                       pe_path_printable(part->name, strlen(part->name), shown, sizeof shown));
    if (!part->has_filename)
        return pe_fail(err, PE_ERR_INVALID, "a part 'file' has no filename");
    return 0;
}

/* Make room for the pointer of one more file. The array grows at powers of two, like that of the parts. */
static int reserve_pointer(struct submission *submission, struct pe_error *err)
{
    size_t count = submission->files.count;
    if (count & (count - 1))
        return 0;
    size_t capacity = count ? count * 2 : 1;
    const uint8_t **grown = realloc(submission->bytes, capacity * sizeof *grown);
    if (!grown)
        return pe_fail_errno(err, "%zu input files", capacity);
    submission->bytes = grown;
    return 0;
}

int submission_add_file(struct submission *submission, const char *name, size_t length,
                        struct pe_cursor content, struct pe_error *err)
{
    struct pe_path path;
    size_t at = submission->files.count;
    if (pe_path_parse(name, length, 1, &path, err) < 0 || reserve_pointer(submission, err) < 0 ||
        pe_parts_add(&submission->files, PE_PART_FILE, &path, content.left, 0644, err) < 0)
        return -1;
    submission->bytes[at] = content.at;
    submission->total += content.left;
    submission->names += path.length;
    return check_totals(submission, err);
}

static int add_part(struct submission *submission, const struct pe_form_part *part, struct pe_error *err)
{
    if (check_part_name(part, err) < 0)
        return -1;
    if (!pe_utf8_valid(part->filename, part->filename_length))
        return pe_fail(err, PE_ERR_INVALID, "the name of file %zu is not UTF-8", submission->files.count + 1);
    return submission_add_file(submission, part->filename, part->filename_length,
                               (struct pe_cursor){.at = part->data, .left = part->size}, err);
}

static int parse_files(struct pe_form *form, struct submission *submission, struct pe_error *err)
{
    struct pe_form_part part;
    int got = 0;
    while ((got = pe_form_next(form, &part, err)) > 0)
        if (add_part(submission, &part, err) < 0)
            return -1;
    return got;
}

/* ---- rules between files ---- */

/* Sort '/' before all other bytes, so that the content of a folder directly follows a file of the
 * same name.
 * */
static int compare_paths(const void *left, const void *right)
{
    const unsigned char *a = (const unsigned char *)(*(const struct pe_path *const *)left)->text;
    const unsigned char *b = (const unsigned char *)(*(const struct pe_path *const *)right)->text;
    while (*a && *a == *b) {
        a++;
        b++;
    }
    int x = *a == '/' ? 1 : *a ? *a + 1 : 0;
    int y = *b == '/' ? 1 : *b ? *b + 1 : 0;
    return x - y;
}

static int check_neighbours(const struct pe_path *path, const struct pe_path *next, struct pe_error *err)
{
    if (strncmp(path->text, next->text, path->length) != 0)
        return 0;
    if (next->length == path->length)
        return pe_fail(err, PE_ERR_INVALID, "file '%.200s' was sent twice", path->text);
    if (next->text[path->length] == '/')
        return pe_fail(err, PE_ERR_INVALID, "'%.200s' is both a file and a folder of '%.200s'", path->text,
                       next->text);
    return 0;
}

static int check_stdin(const struct submission *submission, const struct pe_path **sorted,
                       struct pe_error *err)
{
    struct pe_path wanted;
    const char *name = submission->spec.stdin_name;
    if (!name)
        return 0;
    if (pe_path_parse(name, strlen(name), 1, &wanted, err) < 0)
        return pe_fail_context(err, "field 'stdin'");
    const struct pe_path *key = &wanted;
    if (!bsearch(&key, sorted, submission->files.count, sizeof *sorted, compare_paths))
        return pe_fail(err, PE_ERR_INVALID,
                       "field 'stdin' names '%.200s', which is not among the files that were sent", name);
    return 0;
}

/* Programs do not see this name, with which the plan of a job with stages reaches the guest. */
static int check_name(const struct pe_path *path, struct pe_error *err)
{
    size_t size = strlen(PE_PLAN_FILE);
    bool is_plan = !strncmp(path->text, PE_PLAN_FILE, size) && (!path->text[size] || path->text[size] == '/');
    if (!is_plan)
        return 0;
    return pe_fail(err, PE_ERR_INVALID,
                   "the name of file '%.200s' is one that the service needs itself: '%s'", path->text,
                   PE_PLAN_FILE);
}

static int check_files(const struct submission *submission, struct pe_error *err)
{
    size_t count = submission->files.count;
    pe_autofree const struct pe_path **sorted = calloc(count + 1, sizeof *sorted);
    if (!sorted)
        return pe_fail_errno(err, "input files");
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &submission->files.items[i].path;
        if (check_name(sorted[i], err) < 0)
            return -1;
    }
    qsort(sorted, count, sizeof *sorted, compare_paths);
    for (size_t i = 0; i + 1 < count; i++)
        if (check_neighbours(sorted[i], sorted[i + 1], err) < 0)
            return -1;
    return check_stdin(submission, sorted, err);
}

int submission_check(const struct submission *submission, struct pe_error *err)
{
    return check_totals(submission, err) < 0 ? -1 : check_files(submission, err);
}

int submission_parse(const char *content_type, size_t content_type_size, const void *body, size_t size,
                     struct submission *submission, struct pe_error *err)
{
    *submission = (struct submission){0};
    struct pe_form form;
    if (pe_form_init(&form, content_type, content_type_size, body, size, err) < 0 ||
        parse_job_part(&form, submission, err) < 0 || parse_files(&form, submission, err) < 0)
        return -1;
    if (!submission_has_stages(submission) && pe_job_spec_check_client(&submission->spec, err) < 0)
        return -1;
    return check_files(submission, err);
}

void submission_drop_files(struct submission *submission)
{
    for (size_t i = 0; submission->owns_bytes && i < submission->files.count; i++)
        free((void *)submission->bytes[i]);
    pe_parts_free(&submission->files);
    free(submission->bytes);
    submission->bytes = NULL;
}

void submission_free(struct submission *submission)
{
    submission_drop_files(submission);
    pe_job_spec_free(&submission->spec);
    pe_buf_free(&submission->owned_text);
    *submission = (struct submission){0};
}
