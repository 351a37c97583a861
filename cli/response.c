/* SPDX-License-Identifier: Apache-2.0 */
/* From an HTTP reply to a result, output and files, or to the reason why there are none. The server
 * is not trusted: it may be operated by others, and what it forwards was written by a program in a
 * VM. */
#include "cli/response.h"

#include "base/cleanup.h"
#include "codec/multipart.h"
#include "proto/job_spec.h"
#include "proto/problem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void response_free(struct response *response)
{
    free(response->files.items);
    free(response->folders.items);
    *response = (struct response){0};
}

/* ---- refusals ---- */

static enum pe_error_kind kind_of(long status)
{
    switch (status) {
    case 413:
        return PE_ERR_TOO_LARGE;
    case 429:
    case 503:
        return PE_ERR_BUSY;
    default:
        return status >= 400 && status < 500 ? PE_ERR_INVALID : PE_ERR_INTERNAL;
    }
}

/* Texts of a server go to a terminal, so escape sequences are replaced. */
static void make_printable(char *text)
{
    pe_path_printable(text, strlen(text), text, strlen(text) + 1);
}

/* A refusal without a problem document. It comes from a proxy or from another service, not from a
 * balancer. */
static int refused_without_reason(const struct http_reply *reply, struct pe_error *err)
{
    if (reply->status == 401 || reply->status == 403) {
        pe_fail(err, PE_ERR_INVALID,
                "the server answered with HTTP status %ld: it wants other credentials; set a token or a "
                "certificate in a profile, see pe-run(1)",
                reply->status);
        err->errnum = EACCES;
        return -1;
    }
    enum pe_error_kind kind = reply->status == 404 ? PE_ERR_MALFORMED : kind_of(reply->status);
    return pe_fail(err, kind, "the server answered with HTTP status %ld and gave no reason", reply->status);
}

int response_refuse(struct pe_problem *problem, long retry_after_s, struct pe_error *err)
{
    make_printable(problem->title);
    make_printable(problem->detail);
    bool is_no_image = !strcmp(problem->type, "unknown-image");
    pe_fail(err, is_no_image ? PE_ERR_NOT_FOUND : kind_of(problem->status), "%s: %s", problem->title,
            problem->detail);
    size_t used = strlen(err->message);
    if (retry_after_s > 0 && used < sizeof err->message)
        snprintf(err->message + used, sizeof err->message - used, " (try again in %ld s)", retry_after_s);
    return -1;
}

static int refused(const struct http_reply *reply, struct pe_error *err)
{
    struct pe_problem problem;
    struct pe_error ignored;
    pe_autojson json_t *json = http_read_json(reply->body.data, reply->body.size, 0);
    if (!http_type_is(reply->content_type, "application/problem+json") ||
        pe_problem_from_json(json, &problem, &ignored) < 0)
        return refused_without_reason(reply, err);
    return response_refuse(&problem, reply->retry_after_s, err);
}

int response_check(const struct http_reply *reply, const char *type, struct pe_error *err)
{
    if (reply->status != 200)
        return refused(reply, err);
    if (http_type_is(reply->content_type, type))
        return 0;
    char shown[64];
    return pe_fail(err, PE_ERR_MALFORMED, "the server's reply has the media type '%s' instead of %s",
                   pe_path_printable(reply->content_type, strlen(reply->content_type), shown, sizeof shown),
                   type);
}

/* ---- output files ---- */

int response_files_add(struct response_files *files, const char *name, size_t name_size,
                       const struct response_bytes *bytes, struct pe_error *err)
{
    if (files->count >= PE_OUTPUT_FILES_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "it has more than %u output files or folders",
                       PE_OUTPUT_FILES_MAX);
    struct response_file *items = reallocarray(files->items, files->count + 1, sizeof *items);
    if (!items)
        return pe_fail_errno(err, "out of memory for output files");
    files->items = items;
    struct response_file *file = &items[files->count];
    *file = (struct response_file){.bytes = *bytes};
    if (pe_path_parse(name, name_size, 0, &file->path, err) < 0)
        return -1;
    files->count++;
    return 0;
}

void response_file_set_attributes(struct response_file *file, const json_t *attributes)
{
    const char *mode = json_string_value(json_object_get(attributes, "mode"));
    json_int_t mtime = json_integer_value(json_object_get(attributes, "mtime"));
    file->is_executable = mode && (strtoul(mode, NULL, 8) & 0111);
    file->mtime = mtime > 0 && mtime <= UINT32_MAX ? (uint32_t)mtime : 0;
}

/* ---- multipart ---- */

static int parse_result(struct response *response, const json_t *json, struct pe_error *err)
{
    if (!json)
        return pe_fail(err, PE_ERR_MALFORMED, "its result is not JSON");
    return pe_result_from_json(json, &response->result, err);
}

/* The attributes are an array of the result, in the order of the parts. A server of an older version does
 * not send them. */
static void set_attributes(struct response_files *files, const json_t *attributes)
{
    for (size_t i = 0; i < files->count && i < json_array_size(attributes); i++)
        response_file_set_attributes(&files->items[i], json_array_get(attributes, i));
}

static int add_part(struct response *response, const struct pe_form_part *part, json_t **result,
                    struct pe_error *err)
{
    const struct response_bytes bytes = {.data = part->data, .size = part->size};
    if (!strcmp(part->name, "stdout")) {
        response->standard_output = bytes;
    } else if (!strcmp(part->name, "stderr")) {
        response->standard_error = bytes;
    } else if (!strcmp(part->name, "combined")) {
        response->combined = bytes;
    } else if (!strcmp(part->name, "file")) {
        return response_files_add(&response->files, part->filename, part->filename_length, &bytes, err);
    } else if (!strcmp(part->name, "folder")) {
        return response_files_add(&response->folders, part->filename, part->filename_length, &bytes, err);
    } else if (!strcmp(part->name, "result")) {
        json_decref(*result);
        *result = http_read_json(part->data, part->size, 0);
        return parse_result(response, *result, err);
    }
    return 0; /* a part that a later version added */
}

static int read_parts(const struct http_reply *reply, struct response *response, struct pe_error *err)
{
    struct pe_form form;
    struct pe_form_part part;
    pe_autojson json_t *result = NULL;
    int got = pe_form_init(&form, reply->content_type, strlen(reply->content_type), reply->body.data,
                           reply->body.size, err);
    while (got >= 0 && (got = pe_form_next(&form, &part, err)) > 0)
        if (add_part(response, &part, &result, err) < 0)
            got = -1;
    if (got < 0)
        return -1;
    if (!result)
        return pe_fail(err, PE_ERR_MALFORMED, "it has no part 'result'");
    set_attributes(&response->files, json_object_get(result, "files"));
    set_attributes(&response->folders, json_object_get(result, "folders"));
    return 0;
}

int response_read(const struct http_reply *reply, struct response *response, struct pe_error *err)
{
    *response = (struct response){0};
    if (response_check(reply, "multipart/form-data", err) < 0)
        return -1;
    if (read_parts(reply, response, err) == 0)
        return 0;
    err->kind = PE_ERR_MALFORMED;
    return pe_fail_context(err, "the server's reply is broken");
}

void response_set_summary(struct response *response, const json_t *result)
{
    const json_t *summary = json_object_get(result, "summary");
    const char *verdict = json_string_value(json_object_get(summary, "verdict"));
    response->summary =
        (struct response_summary){.is_given = verdict != NULL,
                                  .is_right = verdict && !strcmp(verdict, "right"),
                                  .is_stage_failed = json_object_get(summary, "stage") != NULL};
}

int response_read_json(const struct http_reply *reply, struct response *response, struct pe_error *err)
{
    *response = (struct response){0};
    if (response_check(reply, "application/json", err) < 0)
        return -1;
    static const char *const output[] = {"stdout", "stderr", "combined", "files", "stages", "cases"};
    pe_autojson json_t *json = http_read_json(reply->body.data, reply->body.size, JSON_ALLOW_NUL);
    /* Output can contain NUL characters, which are in no field of a result. */
    for (size_t i = 0; i < sizeof output / sizeof *output; i++)
        (void)json_object_del(json, output[i]);
    response_set_summary(response, json);
    if (parse_result(response, json, err) == 0)
        return 0;
    err->kind = PE_ERR_MALFORMED;
    return pe_fail_context(err, "the server's reply is broken");
}
