/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to a server: a socket, or one that libcurl has made, perhaps with TLS. Neither function
 * waits. */
#ifndef PE_NET_CONNECTION_H
#define PE_NET_CONNECTION_H

#include <curl/curl.h>
#include <stddef.h>

struct pe_connection {
    CURL *curl; /* NULL: the socket is used without libcurl */
    int socket; /* to wait for; with libcurl, it is libcurl's */
};

/* Receive up to `size` bytes; `*got` is their number, which is 0 at the end of the connection. CURLE_AGAIN
 * if there are none now. With TLS, more bytes can be ready than the socket shows, so receive until
 * CURLE_AGAIN before waiting for the socket. Any other code: the connection is broken. */
CURLcode pe_connection_receive(const struct pe_connection *connection, void *bytes, size_t size, size_t *got);

/* Send up to `size` bytes; `*sent` is how many the kernel has taken. CURLE_AGAIN if it takes none now. Any
 * other code: the connection is broken. */
CURLcode pe_connection_send(const struct pe_connection *connection, const void *bytes, size_t size,
                            size_t *sent);

#endif
