/* SPDX-License-Identifier: Apache-2.0 */
/* How much of what was sent has arrived at the other side of a TCP connection. */
#ifndef PE_LB_EDGE_TCP_PROGRESS_H
#define PE_LB_EDGE_TCP_PROGRESS_H

#include <stdint.h>

/* The number of bytes that the other side has acknowledged since the connection began (tcpi_bytes_acked
 * of tcp(7)); 0 for sockets that are not TCP. */
uint64_t tcp_bytes_acked(int fd);

#endif
