/* SPDX-License-Identifier: Apache-2.0 */
/* Origins are compared byte by byte: scheme, host and port have one serialized form. There are
 * no cookies, and a page has to know an API key to send it, so an allowed origin gives its pages
 * nothing that curl does not have. */
#include "lb/edge/cors.h"

#include "lb/edge/http_reply.h"

#include <string.h>

/* The allowed origin that the request comes from, or NULL. */
static const char *allowed_origin(const struct pe_option_list *origins, const h2o_req_t *req)
{
    ssize_t at = h2o_find_header_by_str(&req->headers, H2O_STRLIT("origin"), -1);
    for (size_t i = 0; at >= 0 && i < origins->count; i++) {
        h2o_iovec_t origin = req->headers.entries[at].value;
        if (!strcmp(origins->items[i], "*") ||
            h2o_memis(origin.base, origin.len, origins->items[i], strlen(origins->items[i])))
            return origins->items[i];
    }
    return NULL;
}

bool cors_allows(const struct pe_option_list *origins, const h2o_req_t *req)
{
    return allowed_origin(origins, req) != NULL;
}

/* Whether a page is one of this service: the Origin header (RFC 6454) without its scheme names the host of
 * the request. */
static bool is_own_origin(const h2o_req_t *req, h2o_iovec_t origin)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t size = strlen(schemes[i]);
        if (origin.len > size && !memcmp(origin.base, schemes[i], size) &&
            h2o_memis(origin.base + size, origin.len - size, req->authority.base, req->authority.len))
            return true;
    }
    return false;
}

bool cors_may_connect(const struct pe_option_list *origins, const h2o_req_t *req)
{
    ssize_t at = h2o_find_header_by_str(&req->headers, H2O_STRLIT("origin"), -1);
    return at < 0 || is_own_origin(req, req->headers.entries[at].value) || cors_allows(origins, req);
}

void cors_add_headers(const struct pe_option_list *origins, h2o_req_t *req)
{
    const char *origin = allowed_origin(origins, req);
    if (origins->count)
        http_reply_header(req, "vary", "Origin");
    if (!origin)
        return;
    http_reply_header(req, "access-control-allow-origin", origin);
    http_reply_header(req, "access-control-expose-headers",
                      "X-Request-Id, Retry-After, Server-Timing, Cache-Status, ETag, Age, X-Result-Key, "
                      "Traceparent");
    http_reply_header(req, "timing-allow-origin", origin);
}

void cors_send_preflight(const struct pe_option_list *origins, h2o_req_t *req, const char *methods)
{
    char allow[64];
    snprintf(allow, sizeof allow, "%s, OPTIONS", methods);
    http_reply_header(req, "allow", allow);
    if (allowed_origin(origins, req)) {
        http_reply_header(req, "access-control-allow-methods", methods);
        http_reply_header(req, "access-control-allow-headers",
                          "Authorization, Content-Type, Accept, Cache-Control, Prefer, X-Request-Id, "
                          "PE-Job-Key, Traceparent, MCP-Protocol-Version, Mcp-Method, Mcp-Name");
        http_reply_header(req, "access-control-max-age", "86400");
    }
    http_reply_empty(req);
}
