/* SPDX-License-Identifier: Apache-2.0 */
/* A file of its own, because <linux/tcp.h> and <netinet/tcp.h> exclude each other, and only the former
 * declares this counter. */
#include "lb/edge/tcp_progress.h"

#include <linux/tcp.h>
#include <stddef.h>
#include <sys/socket.h>

uint64_t tcp_bytes_acked(int fd)
{
    enum { LEVEL_TCP = 6 }; /* IPPROTO_TCP */
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    if (getsockopt(fd, LEVEL_TCP, TCP_INFO, &info, &size) < 0)
        return 0;
    return size >= offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked
               ? info.tcpi_bytes_acked
               : 0;
}
