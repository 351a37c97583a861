/* SPDX-License-Identifier: Apache-2.0 */
/* Passing bytes between a connection of libcurl and a socket. */
#ifndef PE_WORKER_BALANCER_RELAY_H
#define PE_WORKER_BALANCER_RELAY_H

#include <curl/curl.h>

/* Pass bytes in both directions, at the pace of the slower side, until one side ends. What had arrived from
 * the balancer by then has been passed on. `remote` is the socket of `curl`, and `local` a nonblocking
 * stream socket. Neither is closed. */
void balancer_relay(CURL *curl, int remote, int local);

#endif
