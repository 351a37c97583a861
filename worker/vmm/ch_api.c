/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP to cloud-hypervisor with libcurl, JSON with jansson. It implements the calls;
 * cloud_hypervisor.c decides which ones are made. */
#include "worker/vmm/ch_api.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "proto/job_spec.h"
#include "proto/path.h"

#include <curl/curl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The answer to a call that is done is empty. Otherwise it is a few sentences. */
#define ANSWER_MAX (1u << 16)

static void free_headers(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}
#define autoheaders __attribute__((cleanup(free_headers)))

int ch_api_begin(struct ch_api *api, const char *socket, int pidfd, uint64_t deadline_us,
                 struct pe_error *err)
{
    *api = (struct ch_api){.curl = curl_easy_init(),
                           .socket = socket,
                           .socket_fd = -1,
                           .pidfd = pidfd,
                           .deadline_us = deadline_us};
    return api->curl ? 0 : pe_fail(err, PE_ERR_INTERNAL, "cannot initialise libcurl");
}

void ch_api_free(struct ch_api *api)
{
    if (api->curl)
        curl_easy_cleanup(api->curl);
    pe_cleanup_close(&api->socket_fd);
    *api = CH_API_NONE;
}

/* Milliseconds until the deadline, at least 1; 0 if the deadline has passed. */
static long time_left_ms(const struct ch_api *api)
{
    uint64_t now = pe_now_us();
    return now >= api->deadline_us ? 0 : (long)((api->deadline_us - now) / 1000) + 1;
}

/* ---- waiting for the socket ---- */

/* Nonblocking: a connection that the VMM does not accept must not hold up its slot. */
static bool accepts_connections(const struct ch_api *api)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pe_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", api->address);
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
}

/* Returns 1 if the VMM accepts connections, and 0 if it does not yet. */
static int try_socket(struct ch_api *api, struct pe_error *err)
{
    if (api->socket_fd < 0)
        api->socket_fd = run_dir_open_socket(api->socket, err);
    if (api->socket_fd < 0)
        return err->kind == PE_ERR_NOT_FOUND ? 0 : -1;
    run_dir_socket_address(api->socket_fd, api->address);
    return accepts_connections(api);
}

int ch_api_await_socket(struct ch_api *api, struct pe_error *err)
{
    for (;;) {
        struct pollfd ended = {.fd = api->pidfd, .events = POLLIN};
        int open = try_socket(api, err);
        if (open)
            return open < 0 ? -1 : 0;
        if (poll(&ended, 1, 1) > 0)
            return pe_fail(err, PE_ERR_LOST, "cloud-hypervisor ended when it was started");
        if (!time_left_ms(api))
            return pe_fail(err, PE_ERR_TIMEOUT, "cloud-hypervisor did not open its API socket in time");
    }
}

/* ---- one call ---- */

static size_t keep_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct pe_error ignored; /* a short count makes libcurl fail the transfer */
    return pe_buf_append(context, bytes, size * count, &ignored) < 0 ? 0 : size * count;
}

/* libcurl accepts a response whose headers are cut. Record whether the empty line at their end
 * arrived. */
static size_t note_header(char *bytes, size_t size, size_t count, void *complete)
{
    *(bool *)complete = size * count == 2 && !memcmp(bytes, "\r\n", 2);
    return size * count;
}

static int prepare(const struct ch_api *api, const char *url, const char *body, struct curl_slist *headers,
                   struct pe_buf *answer, bool *complete)
{
    CURL *curl = api->curl;
    curl_easy_reset(curl); /* keeps the connection */
    int wrong = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, api->address) != CURLE_OK;
    wrong |= curl_easy_setopt(curl, CURLOPT_URL, url) != CURLE_OK;
    wrong |= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) != CURLE_OK;
    wrong |= curl_easy_setopt(curl, CURLOPT_PROXY, "") != CURLE_OK;
    wrong |= curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, time_left_ms(api)) != CURLE_OK;
    wrong |= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep_answer) != CURLE_OK;
    wrong |= curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer) != CURLE_OK;
    wrong |= curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, note_header) != CURLE_OK;
    wrong |= curl_easy_setopt(curl, CURLOPT_HEADERDATA, complete) != CURLE_OK;
    wrong |= curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) != CURLE_OK;
    if (body)
        wrong |= curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body) != CURLE_OK;
    wrong |= curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "PUT") != CURLE_OK;
    return wrong ? -1 : 0;
}

/* The body of an error is an array of sentences, outermost first, or an object {"error": sentence}.
 */
static void read_sentences(const struct pe_buf *answer, char *text, size_t size)
{
    pe_autojson json_t *body =
        answer->size ? json_loadb((const char *)answer->data, answer->size, 0, NULL) : NULL;
    const char *single = json_string_value(json_object_get(body, "error"));
    size_t used = 0;
    size_t index;
    json_t *sentence;
    snprintf(text, size, "%s", single ? single : "");
    json_array_foreach(body, index, sentence)
    {
        const char *message = json_string_value(sentence);
        int n = message ? snprintf(text + used, size - used, "%s%s", used ? ": " : "", message) : 0;
        used += n > 0 ? (size_t)n : 0;
        if (used >= size)
            return;
    }
}

static int refuse(const char *name, long status, const struct pe_buf *answer, struct pe_error *err)
{
    char sentences[600], shown[600];
    read_sentences(answer, sentences, sizeof sentences);
    return pe_fail(err, PE_ERR_INTERNAL, "cloud-hypervisor refuses %s with %ld: %s", name, status,
                   sentences[0] ? pe_path_printable(sentences, strlen(sentences), shown, sizeof shown)
                                : "without a reason");
}

static int explain_transfer(const struct ch_api *api, CURLcode code, const char *name, struct pe_error *err)
{
    struct pollfd ended = {.fd = api->pidfd, .events = POLLIN};
    if (code == CURLE_OPERATION_TIMEDOUT)
        return pe_fail(err, PE_ERR_TIMEOUT, "cloud-hypervisor did not answer %s in time", name);
    if (code == CURLE_WRITE_ERROR)
        return pe_fail(err, PE_ERR_MALFORMED, "the answer of cloud-hypervisor to %s is too long", name);
    if (poll(&ended, 1, 1000) >
        0) /* an ending process closes its sockets before its pidfd becomes readable */
        return pe_fail(err, PE_ERR_LOST, "cloud-hypervisor ended during %s", name);
    return pe_fail(err, PE_ERR_LOST, "cannot read the answer of cloud-hypervisor to %s: %s", name,
                   curl_easy_strerror(code));
}

static int transfer(const struct ch_api *api, const char *name, const char *body, struct pe_buf *answer,
                    struct pe_error *err)
{
    char url[96];
    long status = 0;
    bool complete = false;
    /* An empty "Expect:" keeps libcurl from asking for permission to send a body of more than 1
     * KiB. */
    autoheaders struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    if (body && headers)
        curl_slist_append(headers, "Content-Type: application/json");
    snprintf(url, sizeof url, "http://localhost/api/v1/%s", name);
    if (!time_left_ms(api))
        return pe_fail(err, PE_ERR_TIMEOUT, "no time is left for %s", name);
    if (!headers || prepare(api, url, body, headers, answer, &complete) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot prepare %s", name);
    CURLcode code = curl_easy_perform(api->curl);
    if (code != CURLE_OK)
        return explain_transfer(api, code, name, err);
    if (!complete)
        return explain_transfer(api, CURLE_PARTIAL_FILE, name, err);
    curl_easy_getinfo(api->curl, CURLINFO_RESPONSE_CODE, &status);
    return status / 100 == 2 ? 0 : refuse(name, status, answer, err);
}

/* Make a call. `body` is the text of a request, or NULL. */
static int call(struct ch_api *api, const char *name, const char *body, struct pe_error *err)
{
    pe_autobuf struct pe_buf answer = {.limit = ANSWER_MAX};
    if (body && strlen(body) > CH_BODY_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "%s has %zu bytes, but cloud-hypervisor accepts at most %u",
                       name, strlen(body), CH_BODY_MAX);
    return transfer(api, name, body, &answer, err);
}

/* `body` is consumed. NULL means that there was no memory for it. The call is then not made. */
static int call_with(struct ch_api *api, const char *name, json_t *body, struct pe_error *err)
{
    pe_autojson json_t *owned = body;
    pe_autofree char *text = owned ? json_dumps(owned, JSON_COMPACT) : NULL;
    return text ? call(api, name, text, err) : pe_fail(err, PE_ERR_INTERNAL, "cannot encode %s", name);
}

static json_t *folder_url(const char *key, const char *folder)
{
    char url[512];
    int length = snprintf(url, sizeof url, "file://%s", folder);
    return length < 0 || (size_t)length >= sizeof url ? NULL : json_pack("{s:s}", key, url);
}

/* ---- the calls ---- */

int ch_api_create(struct ch_api *api, json_t *config, struct pe_error *err)
{
    return call_with(api, "vm.create", config, err);
}

int ch_api_boot(struct ch_api *api, struct pe_error *err)
{
    return call(api, "vm.boot", NULL, err);
}

int ch_api_pause(struct ch_api *api, struct pe_error *err)
{
    return call(api, "vm.pause", NULL, err);
}

int ch_api_resume(struct ch_api *api, struct pe_error *err)
{
    return call(api, "vm.resume", NULL, err);
}

int ch_api_snapshot(struct ch_api *api, const char *folder, struct pe_error *err)
{
    return call_with(api, "vm.snapshot", folder_url("destination_url", folder), err);
}

int ch_api_restore(struct ch_api *api, const char *folder, struct pe_error *err)
{
    return call_with(api, "vm.restore", folder_url("source_url", folder), err);
}

int ch_api_resize(struct ch_api *api, uint32_t cpus, uint64_t memory, struct pe_error *err)
{
    json_t *wanted = json_object();
    if (wanted &&
        ((cpus && json_object_set_new(wanted, "desired_vcpus", json_integer(cpus)) < 0) ||
         (memory && json_object_set_new(wanted, "desired_ram", json_integer((json_int_t)memory)) < 0))) {
        json_decref(wanted);
        wanted = NULL;
    }
    return call_with(api, "vm.resize", wanted, err);
}

int ch_api_press_power(struct ch_api *api, struct pe_error *err)
{
    return call(api, "vm.power-button", NULL, err);
}
