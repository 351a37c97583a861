/* Who a client is: the address that limits and fairness count by. */
#ifndef PE_LB_EDGE_PEER_H
#define PE_LB_EDGE_PEER_H

#include "base/error.h"
#include "base/options.h"
#include "lb/edge/h2o.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An address, IPv4 as IPv4-mapped IPv6; all zeros stands for whoever comes over a UNIX socket. */
struct peer {
    uint8_t bytes[16];
};

/* Networks of proxies whose X-Forwarded-For is believed. */
struct peer_network {
    struct peer base;
    unsigned prefix; /* bits of 128 */
};

struct peer_networks {
    struct peer_network *items; /* owned */
    size_t count;
    bool local; /* the word "unix": whoever comes over a UNIX socket */
};

/* Read "ADDRESS", "ADDRESS/BITS" or "unix", each of `list`. PE_ERR_INVALID names what is none of them. */
int peer_networks_parse(const struct pe_option_list *list, struct peer_networks *networks,
                        struct pe_error *err) PE_MUST_CHECK;

/* The client of a request: the connection's other end or, while that is a trusted proxy, whom it names in
 * X-Forwarded-For, from the right. What is no address there ends the walk. */
struct peer peer_of_request(const struct peer_networks *trusted, h2o_req_t *req);

/* What one client is allowed to look like: an IPv4 address, an IPv6 network of 64 bits. */
struct peer peer_client(const struct peer *peer);

enum { PEER_TEXT_MAX = 46 };
void peer_print(const struct peer *peer, char text[PEER_TEXT_MAX]);

#endif
