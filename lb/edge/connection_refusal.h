/* SPDX-License-Identifier: Apache-2.0 */
/* What the client of a connection is told, and what the log says, if there are too many connections. */
#ifndef PE_LB_EDGE_CONNECTION_REFUSAL_H
#define PE_LB_EDGE_CONNECTION_REFUSAL_H

#include "lb/edge/connection.h"

enum connection_refusal {
    CONNECTION_ADMITTED,
    CONNECTION_REFUSED_BY_ADDRESS, /* its client has as many as it may have */
    CONNECTION_REFUSED_BY_TOTAL,   /* there are as many as there may be */
};

/* Count the refusal of a connection, log it, at most once in 10 s, and send a problem on `sock`, which
 * stays open. Nothing is sent if the connection is about to speak TLS. `address` has counted it; NULL
 * if it is not limited by its address. */
void connection_refuse(struct connections *connections, h2o_socket_t *sock, bool tls,
                       enum connection_refusal refusal, const struct address_count *address);

#endif
