/* SPDX-License-Identifier: Apache-2.0 */
/* Sending the request for the upgrade, and reading the head of the response. */
#include "net/websocket_upgrade.h"

#include "base/buffer.h"
#include "base/io.h"

#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RESPONSE_TIMEOUT_US 10000000u
#define ATTEND_EVERY_MS 100

static int await(const struct pe_connection *connection, const struct pe_upgrade *upgrade, short events,
                 uint64_t deadline_us, struct pe_error *err)
{
    struct pollfd fd = {.fd = connection->socket, .events = events};
    while (pe_now_us() < deadline_us) {
        if (poll(&fd, 1, ATTEND_EVERY_MS) > 0)
            return 0;
        if (upgrade->attend && upgrade->attend(upgrade->context, err) < 0)
            return -1;
    }
    return pe_fail(err, PE_ERR_LOST, "%s does not answer the upgrade", upgrade->peer);
}

static int send_request(const struct pe_connection *connection, const struct pe_upgrade *upgrade,
                        const struct pe_buf *request, uint64_t deadline_us, struct pe_error *err)
{
    for (size_t at = 0; at < request->size;) {
        size_t sent = 0;
        CURLcode code = pe_connection_send(connection, request->data + at, request->size - at, &sent);
        if (code != CURLE_OK && code != CURLE_AGAIN)
            return pe_fail(err, PE_ERR_LOST, "cannot send the upgrade request: %s", curl_easy_strerror(code));
        at += sent;
        if (at < request->size && await(connection, upgrade, POLLOUT, deadline_us, err) < 0)
            return -1;
    }
    return 0;
}

/* Read the head of the response, and not one byte of the frames that may follow: the next owner of
 * the connection reads them. */
static int read_head(const struct pe_connection *connection, const struct pe_upgrade *upgrade, char *head,
                     uint64_t deadline_us, struct pe_error *err)
{
    size_t used = 0;
    while (used < PE_UPGRADE_HEAD_MAX - 1) {
        size_t got = 0;
        CURLcode code = pe_connection_receive(connection, head + used, 1, &got);
        if (code == CURLE_AGAIN) {
            if (await(connection, upgrade, POLLIN, deadline_us, err) < 0)
                return -1;
            continue;
        }
        if (code != CURLE_OK || got == 0)
            return pe_fail(err, PE_ERR_LOST, "%s closed the connection during the upgrade", upgrade->peer);
        head[++used] = '\0';
        if (used >= 4 && !strcmp(head + used - 4, "\r\n\r\n"))
            return 0;
    }
    return pe_fail(err, PE_ERR_MALFORMED, "the response of %s to the upgrade is too long", upgrade->peer);
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

static void read_status(struct pe_upgrade_response *response, const char *key)
{
    static const char version[] = "HTTP/1.1 ", older[] = "HTTP/1.0 ";
    char accept[32];
    accept_for_key(key, accept);
    bool is_current = !strncmp(response->head, version, strlen(version));
    const char *status = response->head + strlen(version);
    if ((is_current || !strncmp(response->head, older, strlen(older))) && strspn(status, "0123456789") == 3)
        response->status = strtol(status, NULL, 10);
    response->is_upgraded = is_current && response->status == 101 && strstr(response->head, accept);
}

int pe_websocket_upgrade(const struct pe_connection *connection, const struct pe_upgrade *upgrade,
                         struct pe_upgrade_response *response, struct pe_error *err)
{
    uint8_t nonce[16];
    char key[32];
    pe_autobuf struct pe_buf request = {0};
    response->is_upgraded = false;
    response->status = 0;
    pe_random(nonce, sizeof nonce);
    EVP_EncodeBlock((unsigned char *)key, nonce, sizeof nonce);
    if (pe_buf_printf(&request, err,
                      "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
                      upgrade->path, upgrade->host, key, upgrade->headers) < 0)
        return -1;
    uint64_t deadline_us = pe_now_us() + RESPONSE_TIMEOUT_US;
    if (send_request(connection, upgrade, &request, deadline_us, err) < 0 ||
        read_head(connection, upgrade, response->head, deadline_us, err) < 0)
        return -1;
    read_status(response, key);
    return 0;
}

const char *pe_upgrade_field(const char *head, const char *name, size_t *size)
{
    size_t name_size = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, name_size) != 0 || line[name_size] != ':')
            continue;
        const char *value = line + name_size + 1;
        value += strspn(value, " \t");
        *size = strcspn(value, "\r\n");
        while (*size && strchr(" \t", value[*size - 1]))
            --*size;
        return value;
    }
    return NULL;
}
