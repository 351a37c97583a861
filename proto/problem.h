/* Errors as the client sees them: RFC 9457 application/problem+json. */
#ifndef PE_PROTO_PROBLEM_H
#define PE_PROTO_PROBLEM_H

#include "base/error.h"

#include <jansson.h>

struct pe_problem {
    int status;                        /* HTTP status */
    char type[48];                     /* stable name; sent as the URI reference "/problems/<type>" */
    char title[96];                    /* the same for every problem of a type */
    char detail[PE_ERROR_MESSAGE_MAX]; /* this one, for a person; says what to do where that helps */
    unsigned retry_after_s;            /* 0: no Retry-After */
};

/* The problem a pe_error stands for: PE_ERR_MALFORMED 400 malformed-request, NOT_FOUND 404 not-found,
 * TOO_LARGE 413 too-large, INVALID 422 invalid-job, BUSY 503 no-capacity (Retry-After 1), LOST 504 job-lost,
 * else 500 internal. */
struct pe_problem pe_problem_from_error(const struct pe_error *err);

/* {"type","title","status","detail"}; NULL without memory. */
json_t *pe_problem_to_json(const struct pe_problem *problem);

/* Of a worker's message or a server's answer: status must be 400..599. */
int pe_problem_from_json(const json_t *json, struct pe_problem *problem, struct pe_error *err) PE_MUST_CHECK;

#endif
