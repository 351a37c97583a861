/* SPDX-License-Identifier: Apache-2.0 */
/* The dialect of POST /v1/run. */
#include "lb/api/exchange.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/negotiate.h"

static int choose_format(struct exchange *exchange, struct pe_error *err)
{
    const h2o_headers_t *headers = &exchange->req->headers;
    ssize_t at = h2o_find_header(headers, H2O_TOKEN_ACCEPT, -1);
    h2o_iovec_t accept = at < 0 ? (h2o_iovec_t){NULL, 0} : headers->entries[at].value;
    int format = negotiate_media_type(accept.base, accept.len, result_media_types, RESULT_FORMATS);
    if (format < 0)
        return pe_fail(err, PE_ERR_INVALID, "results are sent as %s, %s or %s", result_media_types[0],
                       result_media_types[1], result_media_types[2]);
    exchange->format = (enum result_format)format;
    return 0;
}

static int read_body(struct exchange *exchange, struct pe_error *err)
{
    const h2o_req_t *req = exchange->req;
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_CONTENT_TYPE, -1);
    h2o_iovec_t type = at < 0 ? (h2o_iovec_t){NULL, 0} : req->headers.entries[at].value;
    return submission_parse(type.base, type.len, req->entity.base, req->entity.len, &exchange->submission,
                            err);
}

static bool is_known(const struct exchange *exchange)
{
    const struct pe_job_spec *spec = &exchange->submission.spec;
    return scheduler_find_image(exchange->exchanges->jobs->scheduler, spec->image, spec->isolation) != NULL;
}

const struct dialect native_dialect = {
    .exchange_size = sizeof(struct exchange),
    .shares_results = true,
    .choose_format = choose_format,
    .read_body = read_body,
    .is_known = is_known,
    .send_problem = http_reply_problem,
};
