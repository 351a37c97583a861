/* SPDX-License-Identifier: Apache-2.0 */
/* Setting up libcurl's easy handles, and reading their results. */
#include "cli/transfer.h"

#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 10000L
#define UNIX_PREFIX "unix:"

void transfer_free(struct transfer *transfer)
{
    curl_mime_free(transfer->mime);
    curl_slist_free_all(transfer->headers);
    curl_easy_cleanup(transfer->curl);
    free(transfer->url);
    *transfer = (struct transfer){0};
}

static int no_memory(struct pe_error *err)
{
    return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

/* The status and the type are known when the body begins. */
static bool is_stream(const struct transfer *transfer)
{
    if (!transfer->events || transfer->events->has_begun)
        return transfer->events;
    long status = 0;
    const char *type = NULL;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->curl, CURLINFO_CONTENT_TYPE, &type);
    return status == 200 && type && http_type_is(type, EVENT_STREAM_TYPE);
}

static int take_body(struct transfer *transfer, const void *bytes, size_t size)
{
    if (is_stream(transfer))
        return event_stream_feed(transfer->events, bytes, size, &transfer->rejection);
    if (pe_buf_append(&transfer->reply->body, bytes, size, &transfer->rejection) == 0)
        return 0;
    transfer->rejection.kind = PE_ERR_MALFORMED;
    return pe_fail_context(&transfer->rejection, "the reply of %s is too large", transfer->server->url);
}

static size_t on_body(char *bytes, size_t one, size_t size, void *context)
{
    struct transfer *transfer = context;
    (void)one; /* libcurl documents that it is always 1 */
    transfer->is_rejected = take_body(transfer, bytes, size) < 0;
    return transfer->is_rejected ? 0 : size;
}

int transfer_header(struct transfer *transfer, const char *name, const char *value, struct pe_error *err)
{
    char line[512]; /* a salt has at most PE_CACHE_SALT_MAX bytes */
    snprintf(line, sizeof line, "%s:%s%s", name, *value ? " " : "", value);
    struct curl_slist *headers = curl_slist_append(transfer->headers, line);
    if (!headers)
        return no_memory(err);
    transfer->headers = headers;
    curl_easy_setopt(transfer->curl, CURLOPT_HTTPHEADER, headers);
    return 0;
}

static int set_target(struct transfer *transfer, const char *path, struct pe_error *err)
{
    const char *server = transfer->server->url;
    bool is_unix = !strncmp(server, UNIX_PREFIX, strlen(UNIX_PREFIX));
    size_t size = strlen(server);
    while (size && server[size - 1] == '/')
        size--;
    int made = is_unix ? asprintf(&transfer->url, "http://localhost%s", path)
                       : asprintf(&transfer->url, "%.*s%s", (int)size, server, path);
    if (made < 0) {
        transfer->url = NULL;
        return no_memory(err);
    }
    CURLcode code = curl_easy_setopt(transfer->curl, CURLOPT_URL, transfer->url);
    if (code == CURLE_OK && is_unix)
        code = curl_easy_setopt(transfer->curl, CURLOPT_UNIX_SOCKET_PATH, server + strlen(UNIX_PREFIX));
    if (code == CURLE_OK && is_unix)
        code = curl_easy_setopt(transfer->curl, CURLOPT_PROXY, "");
    return code == CURLE_OK
               ? 0
               : pe_fail(err, PE_ERR_INVALID, "cannot use server %s: %s", server, curl_easy_strerror(code));
}

/* Set the certificates to trust, and the credentials of this client. Redirects are not followed, so
 * no other server gets the token. */
static int set_credentials(struct transfer *transfer, struct pe_error *err)
{
    const struct http_server *server = transfer->server;
    const struct {
        CURLoption option;
        const char *value;
    } options[] = {{CURLOPT_CAINFO, server->ca},
                   {CURLOPT_SSLCERT, server->cert},
                   {CURLOPT_SSLKEY, server->key},
                   {CURLOPT_XOAUTH2_BEARER, server->token}};
    CURLcode code = CURLE_OK;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (code == CURLE_OK && options[i].value)
            code = curl_easy_setopt(transfer->curl, options[i].option, options[i].value);
    if (code == CURLE_OK && server->token)
        code = curl_easy_setopt(transfer->curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    return code == CURLE_OK ? 0
                            : pe_fail(err, PE_ERR_INVALID, "cannot use server %s: %s", server->url,
                                      curl_easy_strerror(code));
}

int transfer_begin(struct transfer *transfer, const struct http_server *server, const char *path,
                   size_t limit, struct http_reply *reply, struct pe_error *err)
{
    *reply = (struct http_reply){.body = {.limit = limit}};
    *transfer = (struct transfer){.curl = curl_easy_init(), .server = server, .reply = reply};
    if (!transfer->curl)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot start libcurl");
    curl_easy_setopt(transfer->curl, CURLOPT_ERRORBUFFER, transfer->why);
    curl_easy_setopt(transfer->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(transfer->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(transfer->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(transfer->curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(transfer->curl, CURLOPT_USERAGENT, "pe-run");
    curl_easy_setopt(transfer->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(transfer->curl, CURLOPT_WRITEDATA, transfer);
    return set_target(transfer, path, err) < 0 ? -1 : set_credentials(transfer, err);
}

int transfer_finish(struct transfer *transfer, CURLcode code, struct pe_error *err)
{
    struct http_reply *reply = transfer->reply;
    if (transfer->is_rejected) {
        *err = transfer->rejection;
        return -1;
    }
    if (code != CURLE_OK) {
        bool has_begun = transfer->events && transfer->events->has_begun;
        return pe_fail(err, PE_ERR_LOST, "%s %s: %s",
                       has_begun ? "the connection is lost to" : "no answer from", transfer->server->url,
                       transfer->why[0] ? transfer->why : curl_easy_strerror(code));
    }
    const char *type = NULL;
    curl_off_t retry_after = 0;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &reply->status);
    curl_easy_getinfo(transfer->curl, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(transfer->curl, CURLINFO_RETRY_AFTER, &retry_after);
    reply->retry_after_s = (long)retry_after;
    snprintf(reply->content_type, sizeof reply->content_type, "%s", type ? type : "");
    return 0;
}
