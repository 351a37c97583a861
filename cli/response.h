/* SPDX-License-Identifier: Apache-2.0 */
/* The meaning of a reply to a job. The whole reply is checked before any part of it is used. */
#ifndef PE_CLI_RESPONSE_H
#define PE_CLI_RESPONSE_H

#include "base/error.h"
#include "cli/http_reply.h"
#include "proto/path.h"
#include "proto/problem.h"
#include "proto/result.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct response_bytes {
    const uint8_t *data; /* points into the body of the reply, or to the memory of an event */
    size_t size;
};

/* A file or a folder of the output. */
struct response_file {
    struct pe_path path; /* relative to the output directory */
    struct response_bytes bytes;
    bool is_executable; /* some user may execute it */
    uint32_t mtime;     /* seconds since 1970; 0: not known */
};

struct response_files {
    struct response_file *items; /* owned */
    size_t count;
};

/* What came of all stages and cases of a job. */
struct response_summary {
    bool is_given;        /* the job had stages */
    bool is_right;        /* all of them are right */
    bool is_stage_failed; /* a stage that runs once was not */
};

struct response {
    struct pe_result result;
    struct response_summary summary;
    struct response_bytes standard_output, standard_error;
    struct response_bytes combined; /* both in the order of their writes, if the job asked for it */
    struct response_files files, folders;
};

/* Check that a reply is a success with the media type `type`. A status other than 200 is an error
 * whose message has the title and the detail of the problem (application/problem+json). Its kind is
 * PE_ERR_NOT_FOUND for an unknown image, PE_ERR_BUSY for 429 and 503, PE_ERR_TOO_LARGE for 413,
 * PE_ERR_INVALID for other 4xx (with errnum EACCES for 401 and 403), and PE_ERR_INTERNAL for 5xx. A
 * reply of another media type is PE_ERR_MALFORMED. */
int response_check(const struct http_reply *reply, const char *type, struct pe_error *err) PE_MUST_CHECK;

/* Read the multipart reply to a job. `reply` must outlive `response`, which points into it. Errors
 * as of response_check; PE_ERR_MALFORMED for a broken reply. The caller frees `response`, which is zeroed
 * first, also after a failure. */
int response_read(const struct http_reply *reply, struct response *response,
                  struct pe_error *err) PE_MUST_CHECK;

/* Read the JSON reply to a job. Only `result` and `summary` are filled in. Errors as above. */
int response_read_json(const struct http_reply *reply, struct response *response,
                       struct pe_error *err) PE_MUST_CHECK;

/* Set `err` to what a problem means: its title and detail, made printable, and a kind as of
 * response_check. `retry_after_s` is 0 if it is not known. Returns -1. */
int response_refuse(struct pe_problem *problem, long retry_after_s, struct pe_error *err);

/* Add a file or a folder. `bytes` must outlive `files`. PE_ERR_INVALID if the name is not allowed,
 * PE_ERR_TOO_LARGE if there are too many, PE_ERR_INTERNAL without memory. */
int response_files_add(struct response_files *files, const char *name, size_t name_size,
                       const struct response_bytes *bytes, struct pe_error *err) PE_MUST_CHECK;

/* Set what the members `mode` and `mtime` of `attributes` say; it may be NULL. */
void response_file_set_attributes(struct response_file *file, const json_t *attributes);

/* Set the summary to what the member `summary` of a result says, if there is one. */
void response_set_summary(struct response *response, const json_t *result);

/* Free what `response` owns. */
void response_free(struct response *response);

#endif
