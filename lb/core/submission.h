/* SPDX-License-Identifier: Apache-2.0 */
/* The decoded body of POST /v1/run. Everything that can be checked without knowing the workers
 * is checked here. */
#ifndef PE_LB_CORE_SUBMISSION_H
#define PE_LB_CORE_SUBMISSION_H

#include "base/buffer.h"
#include "base/error.h"
#include "codec/json_reader.h"
#include "proto/job_spec.h"
#include "proto/slot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names of all input files together, in bytes. Percent-encoded, they must fit into one message
 * of the slot protocol. */
#define SUBMISSION_NAMES_MAX (1024u * 1024u)

/* Members of a job that describe its stages and cases. They are not part of the JSON that workers get. */
enum submission_member {
    SUBMISSION_STAGES,
    SUBMISSION_CASES,
    SUBMISSION_ON_FAILURE,
    SUBMISSION_SLOTS,
    SUBMISSION_MEMBERS
};
extern const char *const submission_member_names[SUBMISSION_MEMBERS];

struct submission {
    struct pe_job_spec spec;
    struct pe_cursor members[SUBMISSION_MEMBERS]; /* their values, as JSON in the body; empty: not sent */
    struct pe_cursor spec_text; /* the JSON of `spec`, in the body or in `owned_text`; valid after decoding */
    struct pe_buf owned_text;   /* empty if spec_text is in the body */
    struct pe_parts files;      /* in the order in which they were sent */
    const uint8_t **bytes;      /* of each file; the array is owned */
    bool owns_bytes;            /* each file is memory of its own, and not a part of the body */
    uint64_t total;             /* bytes of all files */
    size_t names;               /* bytes of all names */
    struct pe_cursor salt; /* of the job's key: results are shared with equal salts; borrowed, or empty */
};

/* Parse and validate a body. `submission` is zero-initialised first, points into `body`, and
 * must be freed by the caller even after a failure. PE_ERR_MALFORMED: the body is not a valid
 * form; PE_ERR_INVALID: a job or a file name is not allowed; PE_ERR_TOO_LARGE: says which limit
 * is exceeded, and by what; PE_ERR_INTERNAL: no memory. */
int submission_parse(const char *content_type, size_t content_type_size, const void *body, size_t size,
                     struct submission *submission, struct pe_error *err) PE_MUST_CHECK;

/* The same for a body in JSON: the job with one more member, `files`, an object of names with texts or
 * {"base64": …}. The submission owns decoded copies of the files. Errors as above, with PE_ERR_MALFORMED for
 * a body that is not a JSON object. */
int submission_parse_json(const void *body, size_t size, struct submission *submission,
                          struct pe_error *err) PE_MUST_CHECK;

/* The same without the check of what a client may ask for (pe_job_spec_check_client), for a job whose input
 * is typed: it cannot have stages, which is PE_ERR_INVALID. Other errors as above. */
int submission_parse_json_unbounded(const void *body, size_t size, struct submission *submission,
                                    struct pe_error *err) PE_MUST_CHECK;

/* Whether the job has one of the members that describe stages and cases. Its time limit was not checked. */
bool submission_has_stages(const struct submission *submission);

/* ---- submission_job.c, for submission.c and submission_json.c: the JSON of a job ---- */

/* Read the part `job` of a form. The members of enum submission_member are put aside. The rest may have
 * PE_JOB_JSON_MAX bytes, and becomes `spec`. PE_ERR_TOO_LARGE if it has more; otherwise as
 * pe_job_spec_decode(). */
int submission_parse_job(const void *text, size_t size, struct submission *submission,
                         struct pe_error *err) PE_MUST_CHECK;

/* Reads the value of the member `files`. Returns 0, or -1 with `err`; also 0 after a fault of the reader. */
typedef int submission_files_parser(struct pe_json_reader *reader, struct submission *submission,
                                    struct pe_error *err);

/* The same for a body that is the job. `parse_files` is called for the member `files`; NULL: a job has no
 * such member. PE_ERR_MALFORMED if it is not JSON, PE_ERR_INVALID for a member that was sent twice, and the
 * errors of `parse_files` and submission_parse_job(). */
int submission_parse_members(const void *body, size_t size, struct submission *submission,
                             submission_files_parser *parse_files, struct pe_error *err) PE_MUST_CHECK;

/* Add one file. If submission->owns_bytes, its content is memory that the submission frees from then on;
 * otherwise it must outlive the submission. PE_ERR_INVALID if the name is not allowed, PE_ERR_TOO_LARGE if
 * the file exceeds a limit. After a failure, files.count says whether the file was added. */
int submission_add_file(struct submission *submission, const char *name, size_t length,
                        struct pe_cursor content, struct pe_error *err) PE_MUST_CHECK;

/* Check the limits and the rules between files, for a submission that was not made by
 * submission_parse(). PE_ERR_TOO_LARGE beyond a limit; PE_ERR_INVALID for two files that cannot be in one
 * folder, for a name that the service needs, and for a `stdin` that is no file; PE_ERR_INTERNAL without
 * memory. */
int submission_check(const struct submission *submission, struct pe_error *err) PE_MUST_CHECK;

/* Free the files that `submission` owns. What is left says what the job was, and has no files. */
void submission_drop_files(struct submission *submission);

/* Free what `submission` owns, and zero it. */
void submission_free(struct submission *submission);

#endif
