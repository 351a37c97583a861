/* SPDX-License-Identifier: Apache-2.0 */
/* Sending the request for the upgrade, and reading the response. */
#include "worker/balancer_upgrade.h"

#include "base/buffer.h"
#include "base/io.h"
#include "proto/slot.h"

#include <errno.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_TIMEOUT_S 10L
#define RESPONSE_HEAD_MAX 8192

/* Both return CURLE_AGAIN if they would have to wait. */
static CURLcode receive_byte(const struct balancer_connection *connection, char *byte, size_t *got)
{
    if (connection->curl)
        return curl_easy_recv(connection->curl, byte, 1, got);
    ssize_t n = recv(connection->socket, byte, 1, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? CURLE_AGAIN : CURLE_RECV_ERROR;
    *got = (size_t)n;
    return CURLE_OK;
}

static CURLcode send_bytes(const struct balancer_connection *connection, const void *bytes, size_t size,
                           size_t *sent)
{
    if (connection->curl)
        return curl_easy_send(connection->curl, bytes, size, sent);
    ssize_t n = send(connection->socket, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? CURLE_AGAIN : CURLE_SEND_ERROR;
    *sent = (size_t)n;
    return CURLE_OK;
}

static int wait_socket(const struct balancer_connection *connection, short events, uint64_t deadline_us,
                       struct pe_error *err)
{
    uint64_t now = pe_now_us();
    struct pollfd fd = {.fd = connection->socket, .events = events};
    if (now >= deadline_us || poll(&fd, 1, (int)((deadline_us - now) / 1000) + 1) <= 0)
        return pe_fail(err, PE_ERR_LOST, "the balancer does not answer the upgrade");
    return 0;
}

static int send_request(const struct balancer_connection *connection, const char *request, size_t size,
                        uint64_t deadline_us, struct pe_error *err)
{
    while (size) {
        size_t sent = 0;
        CURLcode code = send_bytes(connection, request, size, &sent);
        if (code != CURLE_OK && code != CURLE_AGAIN)
            return pe_fail(err, PE_ERR_LOST, "cannot send the upgrade request: %s", curl_easy_strerror(code));
        request += sent;
        size -= sent;
        if (size && wait_socket(connection, POLLOUT, deadline_us, err) < 0)
            return -1;
    }
    return 0;
}

/* Read the head of the response, and not one byte of the frames that may follow: the next owner of
 * the connection reads them. */
static int read_response(const struct balancer_connection *connection, char *head, size_t head_size,
                         uint64_t deadline_us, struct pe_error *err)
{
    size_t used = 0;
    while (used < head_size - 1) {
        size_t got = 0;
        CURLcode code = receive_byte(connection, head + used, &got);
        if (code == CURLE_AGAIN) {
            if (wait_socket(connection, POLLIN, deadline_us, err) < 0)
                return -1;
            continue;
        }
        if (code != CURLE_OK || got == 0)
            return pe_fail(err, PE_ERR_LOST, "the balancer closed the connection during the upgrade");
        head[++used] = '\0';
        if (used >= 4 && !strcmp(head + used - 4, "\r\n\r\n"))
            return 0;
    }
    return pe_fail(err, PE_ERR_MALFORMED, "the response of the balancer to the upgrade is too long");
}

/* Compute Sec-WebSocket-Accept for a key (RFC 6455 section 4.2.2). */
static void accept_for_key(const char *key, char accept[32])
{
    char text[64];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    int n = snprintf(text, sizeof text, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    EVP_Digest(text, (size_t)n, digest, &size, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)accept, digest, (int)size);
}

static int check_response(const char *head, const char *key, struct pe_error *err)
{
    char accept[32];
    accept_for_key(key, accept);
    if (!strncmp(head, "HTTP/1.1 101", 12) && strstr(head, accept))
        return 0;
    if (!strncmp(head, "HTTP/1.1 401", 12))
        return pe_fail(err, PE_ERR_INVALID, "the balancer refuses the token; see --token-file");
    return pe_fail(err, PE_ERR_LOST, "the balancer refuses the upgrade: %.*s", (int)strcspn(head, "\r\n"),
                   head);
}

int balancer_upgrade(const struct balancer_connection *connection, const char *path, const char *token,
                     struct pe_error *err)
{
    uint8_t nonce[16];
    char key[32], head[RESPONSE_HEAD_MAX];
    pe_autobuf struct pe_buf request = {0};
    pe_random(nonce, sizeof nonce);
    EVP_EncodeBlock((unsigned char *)key, nonce, sizeof nonce);
    if (pe_buf_printf(&request, err,
                      "GET %s HTTP/1.1\r\nHost: balancer\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: "
                      "%s\r\n%s%s%s\r\n",
                      path, key, PE_SLOT_SUBPROTOCOL, token[0] ? "Authorization: Bearer " : "", token,
                      token[0] ? "\r\n" : "") < 0)
        return -1;
    uint64_t deadline_us = pe_now_us() + ANSWER_TIMEOUT_S * 1000000;
    if (send_request(connection, (const char *)request.data, request.size, deadline_us, err) < 0 ||
        read_response(connection, head, sizeof head, deadline_us, err) < 0)
        return -1;
    return check_response(head, key, err);
}
