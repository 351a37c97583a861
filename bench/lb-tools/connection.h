/* SPDX-License-Identifier: Apache-2.0 */
/* What both tools need of a TCP connection to the balancer, and of the clock. */
#ifndef PE_BENCH_LB_TOOLS_CONNECTION_H
#define PE_BENCH_LB_TOOLS_CONNECTION_H

#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The monotonic time in microseconds. */
static inline uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Print "WHAT: the text of errno" and exit with 1. */
static inline void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* Connect to "HOST:PORT". Returns a blocking socket, or -1. */
static inline int connect_to(const char *where)
{
    char host[256];
    const char *colon = strrchr(where, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *addresses = NULL;
    if (!colon)
        return -1;
    snprintf(host, sizeof host, "%.*s", (int)(colon - where), where);
    if (getaddrinfo(host, colon + 1, &hints, &addresses) != 0)
        return -1;
    int fd = socket(addresses->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed = connect(fd, addresses->ai_addr, addresses->ai_addrlen);
    freeaddrinfo(addresses);
    if (!failed)
        return fd;
    close(fd);
    return -1;
}

/* Send small writes at once, and never block. */
static inline void make_nonblocking(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

#endif
