/* SPDX-License-Identifier: Apache-2.0 */
/* Complete replies to a request: problems, JSON, text, bytes. */
#ifndef PE_LB_EDGE_HTTP_REPLY_H
#define PE_LB_EDGE_HTTP_REPLY_H

#include "base/error.h"
#include "lb/edge/h2o.h"
#include "proto/problem.h"

#include <jansson.h>

#define HTTP_REPLY_TEXT_TYPE "text/plain; charset=utf-8"
#define HTTP_REPLY_PROBLEM_TYPE "application/problem+json" /* RFC 9457 */

/* Add a header to the response. `value` is copied. `name` is not: it must be lower-case and
 * outlive the request. */
void http_reply_header(h2o_req_t *req, const char *name, const char *value);

/* Add Retry-After, unless `seconds` is 0. */
void http_reply_retry_after(h2o_req_t *req, unsigned seconds);

/* The functions below send a whole response. Nothing more may be sent for the request
 * afterwards. Headers that were added before are kept. */

/* The problem as JSON, with its status and Retry-After. */
void http_reply_problem(h2o_req_t *req, const struct pe_problem *problem);

/* The problem that an error stands for (proto/problem.h). */
void http_reply_error(h2o_req_t *req, const struct pe_error *err);

/* Takes over the reference to `json`. NULL means that there was no memory, and sends a problem. */
void http_reply_json(h2o_req_t *req, json_t *json);
void http_reply_json_status(h2o_req_t *req, int status, json_t *json);

/* A NUL-terminated text, as text/plain. */
void http_reply_text(h2o_req_t *req, const char *text);

/* The bytes are copied; `type` is a media type. */
void http_reply_bytes(h2o_req_t *req, const char *type, const void *bytes, size_t size);

/* 202, without a body. */
void http_reply_accepted(h2o_req_t *req);

/* 204, without a body. */
void http_reply_empty(h2o_req_t *req);

/* The JSON text of a problem, in the memory pool of the request. For replies that are sent in
 * another way. */
h2o_iovec_t http_reply_problem_text(h2o_req_t *req, const struct pe_problem *problem);

#endif
