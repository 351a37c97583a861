/* SPDX-License-Identifier: Apache-2.0 */
/* Who sends a request, and whether he may start jobs: by the API key in its Authorization header
 * (RFC 6750), or without one by its address, as far as the operator allows anonymous use. Browsers cannot
 * send this header with a WebSocket, so a WebSocket may offer its key as a subprotocol instead. */
#ifndef PE_LB_API_ACCESS_H
#define PE_LB_API_ACCESS_H

#include "lb/core/api_keys.h"
#include "lb/core/client.h"
#include "lb/edge/h2o.h"
#include "lb/edge/peer.h"
#include "proto/problem.h"

#include <stdbool.h>

/* What a WebSocket of a browser offers: the first is chosen, and the second has the key behind it. */
#define ACCESS_SUBPROTOCOL "pe.connect.v1"
#define ACCESS_KEY_SUBPROTOCOL "pe.key."

struct access {
    const struct peer_networks *trusted; /* proxies; borrowed */
    bool has_keys;                       /* there is a file of keys; otherwise the header is ignored */
    struct api_keys keys;                /* owned */
    bool allows_anonymous;
    struct client_limits anonymous; /* of each address without a key */
};

/* Find out who sends a request. Returns a problem with the status 0 if he may start jobs, otherwise the
 * problem `unauthorized`. */
struct pe_problem access_identify(const struct access *access, h2o_req_t *req, struct client_identity *who);

/* Of a request that begins a WebSocket: choose the subprotocol, if the client offers any. */
void access_choose_subprotocol(h2o_req_t *req);

#endif
