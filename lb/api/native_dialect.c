/* SPDX-License-Identifier: Apache-2.0 */
/* The dialect of POST /v1/run. */
#include "lb/api/exchange.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/negotiate.h"

#include <string.h>
#include <strings.h>

static int choose_format(struct exchange *exchange, struct pe_error *err)
{
    const h2o_headers_t *headers = &exchange->req->headers;
    ssize_t at = h2o_find_header(headers, H2O_TOKEN_ACCEPT, -1);
    h2o_iovec_t accept = at < 0 ? (h2o_iovec_t){NULL, 0} : headers->entries[at].value;
    int format = negotiate_media_type(accept.base, accept.len, result_media_types, RESULT_MEDIA_TYPES);
    if (format < 0)
        return pe_fail(err, PE_ERR_INVALID, "results are sent as %s, %s, %s, %s or %s", result_media_types[0],
                       result_media_types[1], result_media_types[2], result_media_types[3],
                       result_media_types[4]);
    exchange->format = (enum result_format)format;
    return 0;
}

/* Whether a Content-Type names this media type (RFC 9110 section 8.3.1); parameters do not matter. */
static bool is_type(h2o_iovec_t content_type, const char *type)
{
    size_t size = strlen(type);
    if (content_type.len < size || strncasecmp(content_type.base, type, size) != 0)
        return false;
    return content_type.len == size || memchr("; \t", content_type.base[size], 3);
}

/* Bodies are not decompressed. */
static int refuse_coding(const h2o_req_t *req, struct pe_error *err)
{
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_CONTENT_ENCODING, -1);
    h2o_iovec_t coding = at < 0 ? (h2o_iovec_t){NULL, 0} : req->headers.entries[at].value;
    if (coding.len == 0 || (coding.len == 8 && !strncasecmp(coding.base, "identity", 8)))
        return 0;
    return pe_fail(err, PE_ERR_UNSUPPORTED, "the body's Content-Encoding is '%.*s'; send it without one",
                   (int)(coding.len < 100 ? coding.len : 100), coding.base);
}

static int read_body(struct exchange *exchange, struct pe_error *err)
{
    const h2o_req_t *req = exchange->req;
    if (refuse_coding(req, err) < 0)
        return -1;
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_CONTENT_TYPE, -1);
    h2o_iovec_t type = at < 0 ? (h2o_iovec_t){NULL, 0} : req->headers.entries[at].value;
    if (is_type(type, "application/json"))
        return submission_parse_json(req->entity.base, req->entity.len, &exchange->submission, err);
    if (type.len == 0)
        return pe_fail(err, PE_ERR_UNSUPPORTED,
                       "the body has no Content-Type; send multipart/form-data or application/json");
    if (!is_type(type, "multipart/form-data"))
        return pe_fail(err, PE_ERR_UNSUPPORTED,
                       "the body's Content-Type is '%.*s'; send multipart/form-data or application/json",
                       (int)(type.len < 100 ? type.len : 100), type.base);
    return submission_parse(type.base, type.len, req->entity.base, req->entity.len, &exchange->submission,
                            err);
}

static bool is_known(const struct exchange *exchange)
{
    const struct pe_job_spec *spec = &exchange->submission.spec;
    return scheduler_find_image(exchange->exchanges->jobs->scheduler, spec->image, spec->isolation) != NULL;
}

static void send_problem(struct exchange *exchange, const struct pe_problem *problem)
{
    http_reply_problem(exchange->req, problem);
}

const struct dialect native_dialect = {
    .name = "POST /v1/run",
    .exchange_size = sizeof(struct exchange),
    .shares_results = true,
    .choose_format = choose_format,
    .read_body = read_body,
    .is_known = is_known,
    .send_problem = send_problem,
};
