/* SPDX-License-Identifier: Apache-2.0 */
/* Passing bytes between a connection of libcurl and a socket. */
#ifndef PE_WORKER_BALANCER_RELAY_H
#define PE_WORKER_BALANCER_RELAY_H

#include "net/connection.h"

/* Pass bytes in both directions, at the pace of the slower side, until one side ends. What had arrived from
 * the balancer by then has been passed on. `local` is a nonblocking stream socket. Neither side is closed. */
void balancer_relay(const struct pe_connection *remote, int local);

#endif
