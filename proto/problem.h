/* SPDX-License-Identifier: Apache-2.0 */
/* Problems: errors as a client sees them, in the form application/problem+json (RFC 9457). */
#ifndef PE_PROTO_PROBLEM_H
#define PE_PROTO_PROBLEM_H

#include "base/error.h"
#include "proto/isolation.h"

#include <jansson.h>

struct pe_problem {
    int status;                        /* HTTP status */
    char type[48];                     /* stable name; the URI reference "/problems/<type>" in JSON */
    char title[96];                    /* the same for every problem of a type */
    char detail[PE_ERROR_MESSAGE_MAX]; /* what happened, and what the client can do about it */
    unsigned retry_after_s;            /* 0: no Retry-After */
    struct pe_isolation_set available; /* of isolation-unavailable: the member `available`; else empty */
};

/* The problem for an error: PE_ERR_MALFORMED is 400 malformed-request, PE_ERR_NOT_FOUND 404
 * not-found, PE_ERR_TOO_LARGE 413 too-large, PE_ERR_UNSUPPORTED 415 unsupported-media-type, PE_ERR_INVALID
 * 422 invalid-job, PE_ERR_BUSY 503 no-capacity with Retry-After 1, PE_ERR_LOST and PE_ERR_TIMEOUT 504
 * job-lost, and everything else 500 internal. */
struct pe_problem pe_problem_from_error(const struct pe_error *err);

/* A new JSON object with type, title, status, detail and, unless it is empty, available, whose reference is
 * the caller's; NULL without memory. */
json_t *pe_problem_to_json(const struct pe_problem *problem);

/* Decode the problem in a worker's message or a server's response. PE_ERR_MALFORMED if `status` is
 * not from 400 to 599. */
int pe_problem_from_json(const json_t *json, struct pe_problem *problem, struct pe_error *err) PE_MUST_CHECK;

#endif
