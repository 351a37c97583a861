/* SPDX-License-Identifier: Apache-2.0 */
/* The form that an HTTP API gives to an exchange. The service's own API and Piston's share the
 * rest: admission, jobs, streaming. Functions with `err` return 0, or -1: the request is then answered
 * with the problem of the error (proto/problem.h) or, if the response has begun, broken off. */
#ifndef PE_LB_API_DIALECT_H
#define PE_LB_API_DIALECT_H

#include "base/error.h"
#include "lb/api/event_encoder.h"
#include "lb/core/job_result.h"
#include "lb/edge/h2o.h"
#include "proto/problem.h"

#include <stdbool.h>
#include <stddef.h>

struct exchange;

struct dialect {
    const char *name; /* method and path, for traces */

    size_t exchange_size; /* bytes of the struct that begins with a struct exchange; zero-initialised */

    /* Whether results may come from the cache, and be shared and kept. */
    bool shares_results;

    /* Choose exchange->format from the request's headers; PE_ERR_INVALID if no form is
     * acceptable, with a problem of the type "not-acceptable". NULL: the form is RESULT_JSON. */
    int (*choose_format)(struct exchange *exchange, struct pe_error *err);

    /* Parse the request's body into exchange->submission. PE_ERR_MALFORMED, PE_ERR_INVALID,
     * PE_ERR_TOO_LARGE and PE_ERR_UNSUPPORTED say what is wrong with it. */
    int (*read_body)(struct exchange *exchange, struct pe_error *err);

    /* Whether a worker has what the request needs. */
    bool (*is_known)(const struct exchange *exchange);

    /* Complete exchange->submission when the workers are known. At least one worker is
     * connected. PE_ERR_INVALID and PE_ERR_TOO_LARGE if no job can be made. NULL: it is complete
     * already. */
    int (*resolve)(struct exchange *exchange, struct pe_error *err);

    /* Send a problem as the complete reply. The body may not have been read yet. */
    void (*send_problem)(struct exchange *exchange, const struct pe_problem *problem);

    /* Append the JSON form of a complete result. PE_ERR_MALFORMED if it has not the parts that the form
     * needs, PE_ERR_INTERNAL without memory. NULL: the service's own form. */
    int (*append_json)(const struct exchange *exchange, const struct job_result *result, struct pe_buf *out,
                       struct pe_error *err);

    /* The form of events, if the dialect chooses one of the formats that have them; its context is the
     * exchange. NULL: the service's own form. */
    event_writer *write_event;

    /* Whether a result with the status vm_error is sent as a problem. */
    bool vm_error_is_problem;

    /* Free what the dialect has added to the exchange. NULL: nothing. */
    void (*dispose)(struct exchange *exchange);
};

/* The service's own API: POST /v1/run. */
extern const struct dialect native_dialect;

#endif
