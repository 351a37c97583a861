/* SPDX-License-Identifier: Apache-2.0 */
/* The address of a request's client, which limits and fairness count by. */
#ifndef PE_LB_EDGE_PEER_H
#define PE_LB_EDGE_PEER_H

#include "base/error.h"
#include "base/ip_address.h"
#include "base/options.h"
#include "lb/edge/h2o.h"

#include <stdbool.h>
#include <stddef.h>

struct peer_network {
    struct pe_ip_address base;
    unsigned prefix; /* bits of 128 */
};

/* Networks of proxies whose X-Forwarded-For is trusted. */
struct peer_networks {
    struct peer_network *items; /* owned */
    size_t count;
    bool local; /* "unix" is listed: proxies that connect over a UNIX socket */
};

/* Parse a list of "ADDRESS", "ADDRESS/BITS" and "unix". PE_ERR_INVALID names an item that is
 * none of them, PE_ERR_INTERNAL without memory. `networks` must be zero-initialised; the caller frees
 * its items, also after a failure. */
int peer_networks_parse(const struct pe_option_list *list, struct peer_networks *networks,
                        struct pe_error *err) PE_MUST_CHECK;

/* Whether an address is that of a trusted proxy. */
bool peer_is_trusted(const struct peer_networks *trusted, const struct pe_ip_address *peer);

/* The address of the other end of a connection. */
struct pe_ip_address peer_of_socket(h2o_socket_t *sock);

/* The address of a request's client: the other end of the connection or, if that is a trusted
 * proxy, the last address in X-Forwarded-For that is no trusted proxy. Text that is no address
 * ends the search. */
struct pe_ip_address peer_of_request(const struct peer_networks *trusted, h2o_req_t *req);

#endif
