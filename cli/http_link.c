/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting, the request for the upgrade, and the reply of a server that refuses it. */
#include "cli/http_link.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "cli/http.h"
#include "cli/interrupt.h"
#include "cli/response.h"
#include "cli/trace.h"
#include "net/websocket_upgrade.h"

#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define REFUSAL_BYTES_MAX 65536u
#define REFUSAL_TIMEOUT_US 5000000u

void http_link_close(struct http_link *link)
{
    if (link->multi && link->transfer.curl)
        curl_multi_remove_handle(link->multi, link->transfer.curl);
    transfer_free(&link->transfer);
    if (link->multi)
        curl_multi_cleanup(link->multi);
    http_reply_free(&link->reply);
    *link = (struct http_link){0};
}

/* ---- connecting ---- */

/* The connection belongs to the multi handle, and lives as long as the easy handle is in it. */
static int connect_only(struct http_link *link, struct pe_error *err)
{
    CURL *curl = link->transfer.curl;
    curl_socket_t socket = CURL_SOCKET_BAD;
    curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    /* HTTP/2 has no upgrades, and an HTTP proxy passes them on only through a tunnel. */
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_HTTPPROXYTUNNEL, 1L);
    link->multi = curl_multi_init();
    if (!link->multi || curl_multi_add_handle(link->multi, curl) != CURLM_OK)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot start libcurl");
    if (http_drive(&link->transfer, link->multi, NULL, err) < 0)
        return -1;
    if (curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &socket) != CURLE_OK || socket == CURL_SOCKET_BAD)
        return pe_fail(err, PE_ERR_LOST, "the connection to %s is lost", link->transfer.server->url);
    link->connection = (struct pe_connection){.curl = curl, .socket = socket};
    return 0;
}

/* ---- the request ---- */

/* What libcurl would take out of the URL of a request that it makes itself. */
struct target {
    char *path, *host, *port, *user, *password; /* owned by libcurl; NULL: not in the URL */
};

static void target_free(struct target *target)
{
    curl_free(target->path);
    curl_free(target->host);
    curl_free(target->port);
    curl_free(target->user);
    curl_free(target->password);
}
#define autotarget __attribute__((cleanup(target_free)))

static int read_url(const char *url, struct target *target, struct pe_error *err)
{
    CURLU *parsed = curl_url();
    bool is_read = parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
                   curl_url_get(parsed, CURLUPART_PATH, &target->path, 0) == CURLUE_OK &&
                   curl_url_get(parsed, CURLUPART_HOST, &target->host, 0) == CURLUE_OK;
    if (is_read) { /* the others need not be there */
        (void)curl_url_get(parsed, CURLUPART_PORT, &target->port, 0);
        (void)curl_url_get(parsed, CURLUPART_USER, &target->user, CURLU_URLDECODE);
        (void)curl_url_get(parsed, CURLUPART_PASSWORD, &target->password, CURLU_URLDECODE);
    }
    curl_url_cleanup(parsed);
    return is_read ? 0 : pe_fail(err, PE_ERR_INVALID, "cannot use server %s", url);
}

static int append_credentials(struct pe_buf *headers, const struct http_link *link,
                              const struct target *target, struct pe_error *err)
{
    const char *token = link->transfer.server->token;
    if (token)
        return pe_buf_printf(headers, err, "Authorization: Bearer %s\r\n", token);
    if (!target->user)
        return 0;
    pe_autobuf struct pe_buf clear = {0};
    pe_autofree unsigned char *encoded = NULL;
    if (pe_buf_printf(&clear, err, "%s:%s", target->user, target->password ? target->password : "") < 0)
        return -1;
    encoded = malloc((clear.size + 2) / 3 * 4 + 1);
    if (!encoded)
        return pe_fail_errno(err, "out of memory for credentials");
    EVP_EncodeBlock(encoded, clear.data, (int)clear.size);
    return pe_buf_printf(headers, err, "Authorization: Basic %s\r\n", (const char *)encoded);
}

static int attend(void *context, struct pe_error *err)
{
    const struct http_server *server = context;
    return http_server_attend(server, err);
}

static int upgrade(const struct http_link *link, const char *id, struct pe_upgrade_response *response,
                   struct pe_error *err)
{
    autotarget struct target target = {0};
    pe_autobuf struct pe_buf headers = {0}, host = {0};
    struct trace_headers trace;
    const bool has_trace = trace_of_environment(&trace);
    if (read_url(link->transfer.url, &target, err) < 0 ||
        pe_buf_printf(&host, err, "%s%s%s", target.host, target.port ? ":" : "",
                      target.port ? target.port : "") < 0 ||
        append_credentials(&headers, link, &target, err) < 0 ||
        pe_buf_printf(&headers, err, "User-Agent: pe-run\r\nX-Request-Id: %s\r\n", id) < 0 ||
        (has_trace && pe_buf_printf(&headers, err, "traceparent: %s\r\n", trace.parent) < 0) ||
        (trace.state[0] && pe_buf_printf(&headers, err, "tracestate: %s\r\n", trace.state) < 0))
        return -1;
    const struct pe_upgrade request = {.path = target.path,
                                       .host = (const char *)host.data,
                                       .headers = (const char *)headers.data,
                                       .peer = "the server",
                                       .attend = attend,
                                       .context = (void *)link->transfer.server};
    return pe_websocket_upgrade(&link->connection, &request, response, err);
}

/* ---- a refusal ---- */

/* Read the body of a refusal as far as it comes: a part of it is as good as none. */
static void read_body(struct http_link *link, size_t size)
{
    struct pe_error ignored;
    struct pe_buf *body = &link->reply.body;
    uint64_t deadline_us = pe_now_us() + REFUSAL_TIMEOUT_US;
    while (body->size < size && pe_now_us() < deadline_us && !interrupt_signal()) {
        size_t got = 0;
        if (pe_buf_reserve(body, size - body->size, &ignored) < 0)
            return;
        CURLcode code =
            pe_connection_receive(&link->connection, body->data + body->size, size - body->size, &got);
        body->size += got;
        struct pollfd more = {.fd = link->connection.socket, .events = POLLIN};
        if (code == CURLE_AGAIN)
            poll(&more, 1, HTTP_ATTEND_EVERY_MS);
        else if (code != CURLE_OK || got == 0)
            return;
    }
}

static void copy_field(const char *head, const char *name, char *value, size_t size)
{
    size_t found_size = 0;
    const char *found = pe_upgrade_field(head, name, &found_size);
    snprintf(value, size, "%.*s", found ? (int)found_size : 0, found ? found : "");
}

static int refuse(struct http_link *link, const struct pe_upgrade_response *response, struct pe_error *err)
{
    char number[32];
    struct http_reply *reply = &link->reply;
    reply->status = response->status;
    copy_field(response->head, "Content-Type", reply->content_type, sizeof reply->content_type);
    copy_field(response->head, "Retry-After", number, sizeof number);
    reply->retry_after_s = strtol(number, NULL, 10);
    copy_field(response->head, "Content-Length", number, sizeof number);
    unsigned long long size = strtoull(number, NULL, 10);
    read_body(link, size && size < REFUSAL_BYTES_MAX ? (size_t)size : REFUSAL_BYTES_MAX);
    if (response->status == 404 || response->status == 405)
        return pe_fail(err, PE_ERR_UNSUPPORTED,
                       "the server %s does not offer interactive jobs; --stdin FILE gives the program an "
                       "input that is known beforehand",
                       link->transfer.server->url);
    if (response->status < 400)
        return pe_fail(err, PE_ERR_MALFORMED, "the server answered the upgrade with HTTP status %ld",
                       response->status);
    return response_check(reply, "application/problem+json", err);
}

int http_link_open(struct http_link *link, const struct http_server *server, const char *path, const char *id,
                   struct pe_error *err)
{
    struct pe_upgrade_response response;
    *link = (struct http_link){.connection = {.socket = -1}};
    if (transfer_begin(&link->transfer, server, path, REFUSAL_BYTES_MAX, &link->reply, err) < 0 ||
        connect_only(link, err) < 0 || upgrade(link, id, &response, err) < 0)
        return -1;
    return response.is_upgraded ? 0 : refuse(link, &response, err);
}
