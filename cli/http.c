/* The two requests that this program makes. What an answer means is cli/response.c's. */
#include "cli/http.h"

#include "base/cleanup.h"
#include "cli/interrupt.h"
#include "proto/limits.h"

#include <curl/curl.h>
#include <string.h>

/* Base64 in a JSON answer takes a third more than the bytes themselves. */
#define REPLY_BYTES_MAX (PE_OUTPUT_BYTES_MAX / 3 * 4 + 4 * PE_MIB)
#define CONNECT_TIMEOUT_MS 10000L
#define GET_TIMEOUT_MS 2000L
#define UNIX_PREFIX "unix:"

/* One request. */
struct transfer {
    CURL *curl;
    struct curl_slist *headers;
    curl_mime *mime;
    char *url;
    char why[CURL_ERROR_SIZE];
    const struct http_server *server;
    struct http_reply *reply;
    struct pe_error stopped; /* why a callback ended the transfer */
    bool is_stopped;
};

static void transfer_free(struct transfer *transfer)
{
    curl_mime_free(transfer->mime);
    curl_slist_free_all(transfer->headers);
    curl_easy_cleanup(transfer->curl);
    free(transfer->url);
}
#define autotransfer __attribute__((cleanup(transfer_free)))

void http_reply_free(struct http_reply *reply)
{
    pe_buf_free(&reply->body);
    *reply = (struct http_reply){0};
}

int http_server_check(const char *url, struct pe_error *err)
{
    if (!strncmp(url, UNIX_PREFIX "/", strlen(UNIX_PREFIX "/")) || !strncmp(url, "http://", 7) ||
        !strncmp(url, "https://", 8))
        return 0;
    return pe_fail(err, PE_ERR_INVALID,
                   "server '%s' is none of http://host:port, https://host and unix:/path", url);
}

/* ---- libcurl's callbacks ---- */

static size_t on_body(char *bytes, size_t one, size_t size, void *context)
{
    struct transfer *transfer = context;
    (void)one; /* always 1 */
    if (pe_buf_append(&transfer->reply->body, bytes, size, &transfer->stopped) == 0)
        return size;
    pe_fail_context(&transfer->stopped, "the answer of %s", transfer->server->url);
    transfer->is_stopped = true;
    return 0;
}

static int on_progress(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    struct transfer *transfer = context;
    const struct http_server *server = transfer->server;
    (void)down_total, (void)down, (void)up_total, (void)up;
    if (interrupt_check(&transfer->stopped) < 0 ||
        (server->check && server->check(server->context, &transfer->stopped) < 0))
        transfer->is_stopped = true; /* and never false again: on_body may have stopped it already */
    return transfer->is_stopped;
}

/* ---- requests ---- */

static int no_memory(struct pe_error *err)
{
    return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

static int add_header(struct transfer *transfer, const char *name, const char *value, struct pe_error *err)
{
    char line[128];
    snprintf(line, sizeof line, "%s:%s%s", name, *value ? " " : "", value);
    struct curl_slist *headers = curl_slist_append(transfer->headers, line);
    if (!headers)
        return no_memory(err);
    transfer->headers = headers;
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
    return code == CURLE_OK ? 0
                            : pe_fail(err, PE_ERR_INVALID, "server %s: %s", server, curl_easy_strerror(code));
}

static int begin(struct transfer *transfer, const struct http_server *server, const char *path,
                 struct http_reply *reply, struct pe_error *err)
{
    *reply = (struct http_reply){.body = {.limit = REPLY_BYTES_MAX}};
    *transfer = (struct transfer){.curl = curl_easy_init(), .server = server, .reply = reply};
    if (!transfer->curl)
        return pe_fail(err, PE_ERR_INTERNAL, "libcurl cannot be started");
    curl_easy_setopt(transfer->curl, CURLOPT_ERRORBUFFER, transfer->why);
    curl_easy_setopt(transfer->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(transfer->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(transfer->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(transfer->curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(transfer->curl, CURLOPT_USERAGENT, "pe-run");
    curl_easy_setopt(transfer->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(transfer->curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(transfer->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(transfer->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(transfer->curl, CURLOPT_XFERINFODATA, transfer);
    return set_target(transfer, path, err);
}

static int perform(struct transfer *transfer, struct pe_error *err)
{
    curl_easy_setopt(transfer->curl, CURLOPT_HTTPHEADER, transfer->headers);
    CURLcode code = curl_easy_perform(transfer->curl);
    if (transfer->is_stopped) {
        *err = transfer->stopped;
        return -1;
    }
    if (code != CURLE_OK)
        return pe_fail(err, PE_ERR_LOST, "no answer from %s: %s", transfer->server->url,
                       transfer->why[0] ? transfer->why : curl_easy_strerror(code));
    const char *type = NULL;
    curl_off_t retry_after = 0;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &transfer->reply->status);
    curl_easy_getinfo(transfer->curl, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(transfer->curl, CURLINFO_RETRY_AFTER, &retry_after);
    transfer->reply->retry_after_s = (long)retry_after;
    snprintf(transfer->reply->content_type, sizeof transfer->reply->content_type, "%s", type ? type : "");
    return 0;
}

int http_get(const struct http_server *server, const char *path, struct http_reply *reply,
             struct pe_error *err)
{
    autotransfer struct transfer transfer = {0};
    if (begin(&transfer, server, path, reply, err) < 0)
        return -1;
    curl_easy_setopt(transfer.curl, CURLOPT_TIMEOUT_MS, GET_TIMEOUT_MS);
    return perform(&transfer, err);
}

static int add_part(struct transfer *transfer, const char *name, const char *filename, const char *type,
                    const struct input_file *file, const struct pe_buf *bytes, struct pe_error *err)
{
    curl_mimepart *part = curl_mime_addpart(transfer->mime);
    if (!part)
        return no_memory(err);
    CURLcode code = curl_mime_name(part, name);
    if (code == CURLE_OK && file && file->path)
        code = curl_mime_filedata(part, file->path);
    else if (code == CURLE_OK)
        code = curl_mime_data(part, bytes->size ? (const char *)bytes->data : "", bytes->size);
    /* After curl_mime_filedata, which sets the base name. */
    if (code == CURLE_OK && filename)
        code = curl_mime_filename(part, filename);
    if (code == CURLE_OK)
        code = curl_mime_type(part, type);
    return code == CURLE_OK ? 0
                            : pe_fail(err, PE_ERR_INTERNAL, "sending %s: %s", name, curl_easy_strerror(code));
}

int http_post_job(const struct http_server *server, const char *job, const struct input_files *files,
                  const char *accept, struct http_reply *reply, struct pe_error *err)
{
    autotransfer struct transfer transfer = {0};
    if (begin(&transfer, server, "/v1/run", reply, err) < 0)
        return -1;
    transfer.mime = curl_mime_init(transfer.curl);
    /* An empty Expect: waiting for "100 Continue" would cost a second where a server does not know it. */
    if (!transfer.mime || add_header(&transfer, "Accept", accept, err) < 0 ||
        add_header(&transfer, "Expect", "", err) < 0)
        return transfer.mime ? -1 : no_memory(err);
    const struct pe_buf job_text = {.data = (uint8_t *)job, .size = strlen(job)};
    if (add_part(&transfer, "job", NULL, "application/json", NULL, &job_text, err) < 0)
        return -1;
    for (size_t i = 0; i < files->count; i++) {
        const struct input_file *file = &files->items[i];
        if (add_part(&transfer, "file", file->name, "application/octet-stream", file, &files->standard_input,
                     err) < 0)
            return -1;
    }
    curl_easy_setopt(transfer.curl, CURLOPT_MIMEPOST, transfer.mime);
    return perform(&transfer, err);
}
