/* Complete answers to a request: problems, JSON, text. And the filter that makes problems of the plain-text
 * errors libh2o sends by itself. */
#ifndef PE_LB_EDGE_HTTP_REPLY_H
#define PE_LB_EDGE_HTTP_REPLY_H

#include "base/error.h"
#include "base/options.h"
#include "lb/edge/h2o.h"
#include "proto/problem.h"

#include <jansson.h>
#include <stdbool.h>

/* Append a header whose value is copied. `name` is lower-case, and is not copied. */
void http_reply_header(h2o_req_t *req, const char *name, const char *value);

/* Retry-After, unless `seconds` is 0. */
void http_reply_retry_after(h2o_req_t *req, unsigned seconds);

/* Each sends the whole response; nothing may be sent for this request afterwards. Headers added before stay.
 */
void http_reply_problem(h2o_req_t *req, const struct pe_problem *problem);
void http_reply_error(h2o_req_t *req, const struct pe_error *err);
void http_reply_json(h2o_req_t *req, json_t *json); /* takes the reference; NULL answers 500 */
void http_reply_json_status(h2o_req_t *req, int status, json_t *json); /* the same with another status */
void http_reply_text(h2o_req_t *req, const char *text);
void http_reply_bytes(h2o_req_t *req, const char *type, const void *bytes, size_t size); /* copied */
void http_reply_empty(h2o_req_t *req);                                                   /* 204 */

/* Install the filter on a path; it also adds what pages of `origins` need (lb/edge/cors.h). */
void problem_filter_register(h2o_pathconf_t *path, const struct pe_option_list *origins);

#endif
