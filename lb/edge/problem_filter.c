/* SPDX-License-Identifier: Apache-2.0 */
/* A libh2o filter. Each response passes through it; those of handlers pass unchanged but for
 * CORS headers. From here on the client has to read. */
#include "lb/edge/problem_filter.h"

#include "lb/edge/connection.h"
#include "lb/edge/cors.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"

/* Sends the problem instead of the body that libh2o sends. */
struct replacement {
    h2o_ostream_t super;
    h2o_iovec_t text;
};

static void send_replacement(h2o_ostream_t *ostream, h2o_req_t *req, h2o_iovec_t *bodies, size_t count,
                             h2o_send_state_t state)
{
    struct replacement *replacement = (struct replacement *)ostream;
    (void)bodies;
    (void)count;
    bool head = h2o_memis(req->input.method.base, req->input.method.len, H2O_STRLIT("HEAD"));
    h2o_ostream_send_next(ostream, req, &replacement->text, head ? 0 : 1, state);
}

/* Errors of our own are application/problem+json; those of libh2o are text. */
static bool is_h2o_error(const h2o_req_t *req)
{
    ssize_t at = h2o_find_header(&req->res.headers, H2O_TOKEN_CONTENT_TYPE, -1);
    return req->res.status >= 400 && at >= 0 &&
           h2o_memis(req->res.headers.entries[at].value.base, req->res.headers.entries[at].value.len,
                     H2O_STRLIT(HTTP_REPLY_TEXT_TYPE));
}

static void replace_error(h2o_req_t *req, h2o_ostream_t ***slot)
{
    struct pe_problem problem = problem_from_status(req->res.status);
    struct replacement *replacement = (struct replacement *)h2o_add_ostream(req, sizeof *replacement, *slot);
    replacement->super.do_send = send_replacement;
    replacement->text = http_reply_problem_text(req, &problem);
    *slot = &replacement->super.next;
    req->res.reason = problem_reason_phrase(req->res.status);
    req->res.content_length = replacement->text.len;
    h2o_set_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, H2O_STRLIT(HTTP_REPLY_PROBLEM_TYPE),
                   1);
    http_reply_header(req, "cache-control", "no-store");
    /* The body was refused before it was read, and the client may still be sending it. */
    if (!req->http1_is_persistent && req->version < 0x200)
        connection_linger(req->conn->callbacks->get_socket(req->conn));
}

struct filter {
    h2o_filter_t super;
    const struct pe_option_list *origins;
};

static void on_setup_ostream(h2o_filter_t *self, h2o_req_t *req, h2o_ostream_t **slot)
{
    connection_response_begin(req);
    if (is_h2o_error(req))
        replace_error(req, &slot);
    cors_add_headers(((struct filter *)self)->origins, req);
    h2o_setup_next_ostream(req, slot);
}

void problem_filter_register(h2o_pathconf_t *path, const struct pe_option_list *origins)
{
    struct filter *filter = (struct filter *)h2o_create_filter(path, sizeof *filter);
    filter->super.on_setup_ostream = on_setup_ostream;
    filter->origins = origins;
}
