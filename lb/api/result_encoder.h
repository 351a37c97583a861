/* SPDX-License-Identifier: Apache-2.0 */
/* A job's result as the bytes of an HTTP response body: multipart/form-data, cpio (newc) or
 * JSON. The body is produced piece by piece, as the bytes of the result arrive and the client
 * reads. There is no HTTP in here: the sender takes the bytes from `out`. */
#ifndef PE_LB_API_RESULT_ENCODER_H
#define PE_LB_API_RESULT_ENCODER_H

#include "base/buffer.h"
#include "base/error.h"
#include "codec/json_writer.h"
#include "lb/core/job_result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The media type of each form. */
extern const char *const result_media_types[RESULT_MEDIA_TYPES];

/* Appends the JSON form of a complete result to `out`. Returns 0, or -1 with `err`. */
typedef int result_json_writer(const void *context, const struct job_result *result, struct pe_buf *out,
                               struct pe_error *err);

struct result_encoder {
    enum result_format format;
    struct job_result *result;       /* a reference */
    struct pe_result fields;         /* those of the result, except for what is this response's own */
    size_t part;                     /* the part whose bytes come next */
    uint64_t part_left;              /* bytes of this part that are not in the body yet */
    size_t taken;                    /* bytes of the result that are in the body */
    size_t text_size;                /* of the part or entry `result`, unless the form is JSON */
    size_t runs_taken;               /* bytes of the members of stages and cases that are in the body */
    bool begun;                      /* `out` has had the beginning of the body */
    bool has_runs;                   /* and all that stands in front of the bytes of the first part */
    bool part_is_text;               /* of JSON: the part is sent as text and not as base64 */
    size_t files, folders;           /* of JSON: how many have begun in the body */
    size_t folder;                   /* of JSON: the part that is looked at next, behind the files */
    bool ended;                      /* `out` holds the rest of the body */
    char boundary[48];               /* of multipart */
    char content_type[128];          /* value of the Content-Type header */
    result_json_writer *append_json; /* another JSON form than the service's own; NULL: none */
    const void *append_context;      /* its first argument */
    struct pe_buf out;               /* bytes of the body that are ready; the sender consumes them */
};

/* Begin a response. Takes a reference to `result`. The body says what `fields` says. PE_ERR_MALFORMED if
 * the result has no parts, PE_ERR_INTERNAL without memory. The caller frees `encoder`, also after a
 * failure. */
int result_encoder_begin(struct result_encoder *encoder, enum result_format format, struct job_result *result,
                         const struct pe_result *fields, struct pe_error *err) PE_MUST_CHECK;

/* Produce bytes until `out` holds about `room` bytes, or the result has no more for now. Sets
 * `ended` at the end of the body. JSON begins when the result is complete. The JSON of
 * `append_json` is produced at once. PE_ERR_INTERNAL without memory, PE_ERR_MALFORMED if the parts of the
 * result are out of order, or the error of `append_json`; nothing more can be produced then. */
int result_encoder_fill(struct result_encoder *encoder, size_t room, struct pe_error *err) PE_MUST_CHECK;

/* The whole body for a small complete result, as a cached result: `cached` is true. It is made
 * once and kept with the result, to which it belongs. NULL if the result is too large, or without memory. */
const struct rendered *result_encoder_rendered(struct job_result *result, enum result_format format);

/* Drop the reference and free the bytes; `encoder` is zeroed. */
void result_encoder_free(struct result_encoder *encoder);

/* ---- result_json.c ---- */

/* Append the members that every form of a result has: its fields and, of a job with stages, its summary. What
 * became of each stage and case follows in pieces. */
void result_json_append_members(const struct job_result *result, const struct pe_result *fields,
                                struct pe_json_writer *writer);

/* Append the members that an entry of `files` or `folders` has before its content: name, mode, time and, of
 * a file, size. Fails as pe_buf_append does. */
int result_json_append_attributes(struct pe_buf *out, const struct pe_part *part,
                                  struct pe_error *err) PE_MUST_CHECK;

/* ---- also result_json.c: the pieces of the service's own JSON form, which is made from a complete result.
 * They fail without memory, and with PE_ERR_MALFORMED if a stream comes behind a file. ---- */

/* Append what stands in front of the members of stages and cases. */
int result_json_begin(struct result_encoder *encoder, struct pe_error *err) PE_MUST_CHECK;

/* Append what stands in front of and behind the bytes of the current part. */
int result_json_append_head(struct result_encoder *encoder, const struct pe_part *part,
                            struct pe_error *err) PE_MUST_CHECK;
int result_json_append_tail(struct result_encoder *encoder, const struct pe_part *part,
                            struct pe_error *err) PE_MUST_CHECK;

/* Append bytes of the current part until `out` has about `size_max` bytes. */
int result_json_append_bytes(struct result_encoder *encoder, size_t size_max,
                             struct pe_error *err) PE_MUST_CHECK;

/* Append folders, behind the last part, until `out` has about `size_max` bytes. */
int result_json_append_folders(struct result_encoder *encoder, size_t size_max,
                               struct pe_error *err) PE_MUST_CHECK;

/* Append what stands behind the last folder. */
int result_json_end(struct result_encoder *encoder, struct pe_error *err) PE_MUST_CHECK;

#endif
