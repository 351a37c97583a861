/* SPDX-License-Identifier: Apache-2.0 */
/* From a body in JSON to a checked submission. The member `files` is read here, without a tree of values;
 * what is left when it is cut out is the job, which is decoded like the part `job` of a form. */
#include "base/cleanup.h"
#include "codec/base64.h"
#include "codec/json_reader.h"
#include "lb/core/submission.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

#define FILES "files" /* the name of the member */

/* PE_ERR_MALFORMED if the reader has found a fault, or if there is text behind the body. */
static int check_syntax(struct pe_json_reader *reader, struct pe_error *err)
{
    return pe_json_ended(reader, err) < 0 ? pe_fail_context(err, "the body is not JSON") : 0;
}

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

static int invalid_content(const char *name, struct pe_error *err)
{
    return pe_fail(err, PE_ERR_INVALID, "file '%.200s' must be a string, or {\"base64\": \"…\"}", name);
}

/* Read {"base64": "…"}. Returns the decoded bytes, which the caller frees, or NULL. */
static uint8_t *parse_base64(struct pe_json_reader *reader, const char *name, size_t *size,
                             struct pe_error *err)
{
    char key[8];
    size_t length = 0, members = 0;
    pe_autofree char *text = NULL;
    pe_json_enter(reader, '{');
    while (pe_json_next_member(reader, key, sizeof key)) {
        bool is_text = !strcmp(key, "base64") && members++ == 0 && pe_json_peek(reader) == '"';
        if (!is_text && !reader->fault) {
            invalid_content(name, err);
            return NULL;
        }
        text = pe_json_parse_new_text(reader, &length);
    }
    if (!text) {
        invalid_content(name, err);
        return NULL;
    }
    uint8_t *bytes = pe_base64_decode(text, length, size, err);
    if (!bytes)
        pe_fail_context(err, "file '%.200s'", name);
    return bytes;
}

static int parse_file(struct pe_json_reader *reader, const char *name, struct submission *submission,
                      struct pe_error *err)
{
    size_t size = 0;
    uint8_t *content = NULL;
    int kind = pe_json_peek(reader);
    if (*name == '\0')
        return pe_fail(err, PE_ERR_INVALID, "the name of file %zu is empty or has more than %u bytes",
                       submission->files.count + 1, PE_PATH_MAX);
    if (kind == '"')
        content = (uint8_t *)pe_json_parse_new_text(reader, &size);
    else if (kind == '{')
        content = parse_base64(reader, name, &size, err);
    else
        return invalid_content(name, err);
    if (reader->fault) {
        free(content);
        return check_syntax(reader, err);
    }
    return content ? add_owned(submission, name, content, size, err) : -1;
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
    return reader->fault ? check_syntax(reader, err) : 0;
}

/* ---- the job around it ---- */

/* The part of the body that is the member `files`, with one of the commas around it. */
struct member {
    size_t begin, end; /* offsets in the body; equal: there is no such member */
};

static size_t offset(const struct pe_json_reader *reader, const void *body)
{
    return (size_t)(reader->rest.at - (const uint8_t *)body);
}

/* Behind the first member, skip the comma before the second one. */
static size_t skip_comma(const char *body, size_t size, size_t at)
{
    size_t next = at;
    while (next < size && memchr(" \t\r\n", body[next], 4))
        next++;
    return next < size && body[next] == ',' ? next + 1 : at;
}

static int parse_members(const void *body, size_t size, struct submission *submission, struct member *files,
                         struct pe_error *err)
{
    char key[sizeof FILES];
    struct pe_json_reader reader = pe_json_read(body, size);
    pe_json_enter(&reader, '{');
    for (bool first = true;; first = false) {
        size_t begin = offset(&reader, body);
        if (!pe_json_next_member(&reader, key, sizeof key))
            break;
        if (strcmp(key, FILES) != 0) {
            pe_json_skip(&reader);
            continue;
        }
        if (files->end)
            return pe_fail(err, PE_ERR_INVALID, "field '" FILES "' was sent twice");
        if (parse_files(&reader, submission, err) < 0)
            return -1;
        size_t end = offset(&reader, body);
        *files = (struct member){.begin = begin, .end = first ? skip_comma(body, size, end) : end};
    }
    return check_syntax(&reader, err);
}

static int parse_job(const uint8_t *body, size_t size, const struct member *files,
                     struct submission *submission, struct pe_error *err)
{
    struct pe_buf *text = &submission->owned_text;
    size_t length = size - (files->end - files->begin);
    if (length > PE_JOB_JSON_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE,
                       "the job without its files has %zu bytes; at most %u are allowed", length,
                       PE_JOB_JSON_MAX);
    if (pe_buf_append(text, body, files->begin, err) < 0 ||
        pe_buf_append(text, body + files->end, size - files->end, err) < 0)
        return -1;
    submission->spec_text = (struct pe_cursor){.at = text->data, .left = text->size};
    return pe_job_spec_decode((const char *)text->data, text->size, &submission->spec, err);
}

int submission_parse_json(const void *body, size_t size, struct submission *submission, struct pe_error *err)
{
    if (submission_parse_json_unbounded(body, size, submission, err) < 0)
        return -1;
    return pe_job_spec_check_client(&submission->spec, err);
}

int submission_parse_json_unbounded(const void *body, size_t size, struct submission *submission,
                                    struct pe_error *err)
{
    *submission = (struct submission){.owns_bytes = true};
    struct member files = {0};
    if (parse_members(body, size, submission, &files, err) < 0 ||
        parse_job(body, size, &files, submission, err) < 0)
        return -1;
    return submission_check(submission, err);
}
