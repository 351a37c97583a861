/* A job's outcome as the bytes of an HTTP response body: multipart/form-data, cpio (newc) or JSON, produced
 * piece by piece as the outcome's bytes arrive and the client takes them. No HTTP in it: whoever sends takes
 * from `out`. */
#ifndef PE_LB_API_RESULT_ENCODER_H
#define PE_LB_API_RESULT_ENCODER_H

#include "base/buffer.h"
#include "base/error.h"
#include "lb/core/job_result.h"
#include "lb/edge/negotiate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct piston_request;

struct result_encoder {
    enum result_format format;
    struct job_result *result; /* a reference */
    struct pe_result
        fields;             /* the outcome's, but for what is this response's own: cached, the queue's time */
    size_t part;            /* the part whose bytes come next */
    uint64_t part_left;     /* bytes of it still to come */
    size_t taken;           /* bytes of the outcome that are in the body already */
    bool ended;             /* `out` holds the rest of the body */
    char boundary[48];      /* of multipart */
    char content_type[128]; /* the Content-Type header's value */
    const struct piston_request *piston; /* of a Piston client: the body is in its form; else NULL */
    struct pe_buf out;                   /* body bytes ready to be sent, the sender consumes them */
};

/* Begin a response; takes a reference to `outcome`. `result` is what the body shall say. */
int result_encoder_begin(struct result_encoder *encoder, enum result_format format, struct job_result *result,
                         const struct pe_result *fields, struct pe_error *err) PE_MUST_CHECK;

/* Produce until `out` holds about `room` bytes or the outcome has no more for now; sets `ended` with the
 * body's end. JSON needs the complete outcome and is then produced at once. */
int result_encoder_fill(struct result_encoder *encoder, size_t room, struct pe_error *err) PE_MUST_CHECK;

/* The whole body of a small complete outcome, made once and kept with it, as a stored result: `cached` is
 * true. NULL: it is too large for that, or there is no memory. */
const struct rendered *result_encoder_rendered(struct job_result *result, enum result_format format);

void result_encoder_free(struct result_encoder *encoder);

/* response_json.c: the whole JSON body from a complete outcome, into `out`. */
int result_encoder_append_json(struct result_encoder *encoder, struct pe_error *err) PE_MUST_CHECK;

#endif
