/* SPDX-License-Identifier: Apache-2.0 */
/* From a body in JSON to a checked submission. The member `files` is read here, without a tree of values;
 * the others are read in submission_job.c, like the part `job` of a form. */
#include "base/cleanup.h"
#include "codec/json_reader.h"
#include "lb/core/submission.h"
#include "proto/job_fields.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES "files" /* the name of the member */

/* ---- the content of a file ---- */

/* Give memory to the submission, together with the file's name. */
static int add_owned(struct submission *submission, const char *name, uint8_t *content, size_t size,
                     struct pe_error *err)
{
    size_t before = submission->files.count;
    const struct pe_cursor bytes = {.at = content, .left = size};
    if (submission_add_file(submission, name, strlen(name), bytes, err) == 0)
        return 0;
    if (submission->files.count == before)
        free(content);
    return -1;
}

static int parse_file(struct pe_json_reader *reader, const char *name, struct submission *submission,
                      struct pe_error *err)
{
    size_t size = 0;
    uint8_t *content = NULL;
    char what[PE_PATH_MAX + 8];
    if (*name == '\0')
        return pe_fail(err, PE_ERR_INVALID, "the name of file %zu is empty or has more than %u bytes",
                       submission->files.count + 1, PE_PATH_MAX);
    snprintf(what, sizeof what, "file '%.200s'", name);
    if (pe_field_parse_bytes(reader, what, &content, &size, err) < 0)
        return -1;
    return content ? add_owned(submission, name, content, size, err) : 0;
}

static int parse_files(struct pe_json_reader *reader, struct submission *submission, struct pe_error *err)
{
    char name[PE_PATH_MAX + 1];
    if (pe_json_parse_null(reader))
        return 0;
    if (pe_json_peek(reader) != '{')
        return pe_fail(err, PE_ERR_INVALID, "field '" FILES "' must be an object of file names");
    pe_json_enter(reader, '{');
    while (pe_json_next_member(reader, name, sizeof name))
        if (parse_file(reader, name, submission, err) < 0)
            return -1;
    return 0;
}

/* ---- the body ---- */

static int parse(const void *body, size_t size, struct submission *submission, struct pe_error *err)
{
    const struct pe_cursor text = pe_json_behind_mark(body, size);
    struct pe_json_reader reader = pe_json_read(text.at, text.left);
    *submission = (struct submission){.owns_bytes = true};
    if (pe_field_is_other(&reader, "{"))
        return pe_fail(err, PE_ERR_MALFORMED, "the body must be a JSON object");
    return submission_parse_members(text.at, text.left, submission, parse_files, err);
}

int submission_parse_json(const void *body, size_t size, struct submission *submission, struct pe_error *err)
{
    if (parse(body, size, submission, err) < 0 ||
        (!submission_has_stages(submission) && pe_job_spec_check_client(&submission->spec, err) < 0))
        return -1;
    return submission_check(submission, err);
}

int submission_parse_json_unbounded(const void *body, size_t size, struct submission *submission,
                                    struct pe_error *err)
{
    if (parse(body, size, submission, err) < 0)
        return -1;
    if (submission_has_stages(submission))
        return pe_fail(err, PE_ERR_INVALID, "a job whose input is typed cannot have stages or cases");
    return submission_check(submission, err);
}
