/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to the identity of its client. What a client may do is counted in lb/core/client.c. */
#include "lb/api/access.h"

#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- where a key can be ---- */

static h2o_iovec_t header_value(const h2o_req_t *req, const char *name)
{
    ssize_t at = h2o_find_header_by_str(&req->headers, name, strlen(name), -1);
    return at < 0 ? h2o_iovec_init(NULL, 0) : req->headers.entries[at].value;
}

/* The key behind "pe.key." in the list of subprotocols; empty if there is none. */
static h2o_iovec_t offered_key(const h2o_req_t *req)
{
    static const char before[] = ACCESS_KEY_SUBPROTOCOL;
    h2o_iovec_t list = header_value(req, "sec-websocket-protocol");
    size_t at = 0;
    while (at < list.len) {
        while (at < list.len && strchr(", \t", list.base[at]))
            at++;
        size_t end = at;
        while (end < list.len && !strchr(", \t", list.base[end]))
            end++;
        if (end - at > sizeof before - 1 && !memcmp(list.base + at, before, sizeof before - 1))
            return h2o_iovec_init(list.base + at + sizeof before - 1, end - at - (sizeof before - 1));
        at = end;
    }
    return h2o_iovec_init(NULL, 0);
}

/* Another scheme is that of a proxy, as Basic, and no key. */
static h2o_iovec_t presented_key(const h2o_req_t *req)
{
    static const char scheme[] = "Bearer ";
    size_t prefix = sizeof scheme - 1;
    h2o_iovec_t value = header_value(req, "authorization");
    if (value.len > prefix && !strncasecmp(value.base, scheme, prefix))
        return h2o_iovec_init(value.base + prefix, value.len - prefix);
    return offered_key(req);
}

/* ---- who it is ---- */

static struct pe_problem refuse(h2o_req_t *req, const char *why)
{
    http_reply_header(req, "www-authenticate", "Bearer realm=\"jobs\"");
    return problem_make("unauthorized", "%s", why);
}

struct pe_problem access_identify(const struct access *access, h2o_req_t *req, struct client_identity *who)
{
    static const struct pe_problem none;
    h2o_iovec_t presented = access->has_keys ? presented_key(req) : h2o_iovec_init(NULL, 0);
    *who = (struct client_identity){.address = peer_of_request(access->trusted, req),
                                    .limits = access->anonymous};
    if (!presented.len)
        return access->allows_anonymous
                   ? none
                   : refuse(req, "this service needs an API key, as Authorization: Bearer KEY or with pe-run "
                                 "--key; its operator makes one with `pe-lb key new`");
    const struct api_key *key = api_keys_find(&access->keys, presented.base, presented.len);
    if (!key)
        return refuse(req, "the API key is wrong, or it was revoked; ask the operator of the service for "
                           "another one");
    who->limits = key->limits;
    snprintf(who->key_id, sizeof who->key_id, "%s", key->id);
    snprintf(who->key_name, sizeof who->key_name, "%s", key->name);
    return none;
}

void access_choose_subprotocol(h2o_req_t *req)
{
    h2o_iovec_t list = header_value(req, "sec-websocket-protocol");
    if (list.len && h2o_contains_token(list.base, list.len, H2O_STRLIT(ACCESS_SUBPROTOCOL), ','))
        http_reply_header(req, "sec-websocket-protocol", ACCESS_SUBPROTOCOL);
}
