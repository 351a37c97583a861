/* SPDX-License-Identifier: Apache-2.0 */
/* How many connections each client has, and which of them are idle. A client is one IPv4 address or
 * one IPv6 /64 network. Clients without a connection are not kept. */
#ifndef PE_LB_EDGE_ADDRESS_COUNTS_H
#define PE_LB_EDGE_ADDRESS_COUNTS_H

#include "base/ip_address.h"
#include "base/list.h"

#include <stddef.h>

struct address_counts {
    void *tree; /* tsearch(3), by address */
};

struct address_count {
    struct pe_ip_address address; /* IPv6: only the first 64 bits */
    size_t count;                 /* of connections */
    size_t closing;               /* those that were shut down to make room */
    struct pe_list idle;          /* head for the owner's use: the one that is idle for longest first */
};

/* Count one more connection of the client with this address. NULL without memory. */
struct address_count *address_counts_add(struct address_counts *counts, const struct pe_ip_address *address);

/* A connection has ended. Frees `count` with the last one. */
void address_counts_remove(struct address_counts *counts, struct address_count *count);

#endif
