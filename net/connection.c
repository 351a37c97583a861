/* SPDX-License-Identifier: Apache-2.0 */
/* The two ways to receive and send. Who makes a connection, and who closes it, is the caller's concern. */
#include "net/connection.h"

#include <errno.h>
#include <sys/socket.h>

CURLcode pe_connection_receive(const struct pe_connection *connection, void *bytes, size_t size, size_t *got)
{
    *got = 0;
    if (connection->curl)
        return curl_easy_recv(connection->curl, bytes, size, got);
    ssize_t n = recv(connection->socket, bytes, size, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? CURLE_AGAIN : CURLE_RECV_ERROR;
    *got = (size_t)n;
    return CURLE_OK;
}

CURLcode pe_connection_send(const struct pe_connection *connection, const void *bytes, size_t size,
                            size_t *sent)
{
    *sent = 0;
    if (connection->curl)
        return curl_easy_send(connection->curl, bytes, size, sent);
    ssize_t n = send(connection->socket, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? CURLE_AGAIN : CURLE_SEND_ERROR;
    *sent = (size_t)n;
    return CURLE_OK;
}
