/* SPDX-License-Identifier: Apache-2.0 */
/* From the arguments of the tool `run` to a job. Its result is written in run_tool_result.c. */
#include "lb/mcp/run_tool.h"

#include "base/cleanup.h"
#include "codec/base64.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

#define STDIN_NAME ".stdin" /* the file that holds the argument `stdin` */

/* ---- files ---- */

/* Give a copy of the bytes to the submission. */
static int add_copy(struct submission *submission, const char *name, const void *bytes, size_t size,
                    struct pe_error *err)
{
    size_t before = submission->files.count;
    uint8_t *copy = malloc(size + 1);
    if (!copy)
        return pe_fail_errno(err, "a file of %zu bytes", size);
    memcpy(copy, bytes, size);
    int failed = submission_add_file(submission, name, strlen(name), (struct pe_cursor){copy, size}, err);
    if (submission->files.count == before)
        free(copy);
    return failed;
}

static int add_file(struct submission *submission, const char *name, const json_t *content,
                    struct pe_error *err)
{
    const json_t *coded = json_object_get(content, "base64");
    size_t size = 0;
    if (json_is_string(content))
        return add_copy(submission, name, json_string_value(content), json_string_length(content), err);
    if (!json_is_string(coded) || json_object_size(content) != 1)
        return pe_fail(err, PE_ERR_INVALID, "files: '%.200s' must be a string, or {\"base64\": \"…\"}", name);
    pe_autofree uint8_t *bytes =
        pe_base64_decode(json_string_value(coded), json_string_length(coded), &size, err);
    return bytes ? add_copy(submission, name, bytes, size, err)
                 : pe_fail_context(err, "files: '%.200s'", name);
}

static int add_files(struct submission *submission, const json_t *files, struct pe_error *err)
{
    const char *name = NULL;
    json_t *content = NULL;
    if (files && !json_is_object(files))
        return pe_fail(err, PE_ERR_INVALID, "files must be an object of file names and contents");
    json_object_foreach((json_t *)files, name, content)
    {
        if (add_file(submission, name, content, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the job ---- */

/* A string is a script for the image's shell. */
static json_t *command(const json_t *cmd)
{
    return json_is_string(cmd) ? json_pack("[s, s, o]", "sh", "-c", json_copy((json_t *)cmd))
                               : json_copy((json_t *)cmd);
}

/* Fields that a job has with the same meaning. */
static const char *const same[] = {"image", "env", "timeout_ms"};

static int check_names(const json_t *arguments, struct pe_error *err)
{
    static const char *const known[] = {"image", "env", "timeout_ms", "files", "cmd", "stdin"};
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)arguments, name, value)
    {
        size_t at = 0;
        while (at < sizeof known / sizeof *known && strcmp(known[at], name) != 0)
            at++;
        if (at == sizeof known / sizeof *known)
            return pe_fail(err, PE_ERR_INVALID, "unknown argument '%.100s'", name);
    }
    return 0;
}

static json_t *job_of(const json_t *arguments)
{
    const json_t *cmd = json_object_get(arguments, "cmd");
    json_t *job = cmd ? json_pack("{s:o}", "cmd", command(cmd)) : json_object();
    for (size_t i = 0; job && i < sizeof same / sizeof *same; i++) {
        json_t *value = json_object_get(arguments, same[i]);
        if (value && json_object_set(job, same[i], value) < 0) {
            json_decref(job);
            return NULL;
        }
    }
    if (job && json_object_get(arguments, "stdin") &&
        json_object_set_new(job, "stdin", json_string(STDIN_NAME)) < 0) {
        json_decref(job);
        return NULL;
    }
    return job;
}

static int add_stdin(struct submission *submission, const json_t *input, struct pe_error *err)
{
    if (!input)
        return 0;
    if (!json_is_string(input))
        return pe_fail(err, PE_ERR_INVALID, "stdin must be a string");
    return add_copy(submission, STDIN_NAME, json_string_value(input), json_string_length(input), err);
}

int run_tool_read(const json_t *arguments, struct submission *submission, struct pe_error *err)
{
    submission->owns_bytes = true;
    if (!json_object_get(arguments, "image"))
        return pe_fail(err, PE_ERR_INVALID, "the argument image is missing; list_images has their names");
    if (check_names(arguments, err) < 0)
        return -1;
    pe_autojson json_t *job = job_of(arguments);
    if (!job)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for a job");
    if (pe_job_spec_from_json(job, &submission->spec, err) < 0 ||
        pe_job_spec_check_client(&submission->spec, err) < 0 ||
        add_files(submission, json_object_get(arguments, "files"), err) < 0 ||
        add_stdin(submission, json_object_get(arguments, "stdin"), err) < 0)
        return -1;
    return submission_check(submission, err);
}
