/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP request to the balancer at a time, and its answer. The balancer is not trusted: what it says has a
 * bound and is checked. */
#include "worker/join_exchange.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/control.h"
#include "codec/json_bounds.h"
#include "codec/sha256.h"
#include "proto/job_spec.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX (1u << 20)
#define ANSWER_VALUES_MAX 20000u
#define SECONDS_MAX 30L
#define ATTEMPTS 4u

struct request {
    const char *url, *method, *body, *token; /* `body` and `token` may be NULL */
    const struct pe_route *route;
    struct pe_buf answer;
    long status;
};

static void cleanup_curl(CURL **curl)
{
    curl_easy_cleanup(*curl);
}

static void cleanup_list(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

static size_t on_bytes(char *bytes, size_t one, size_t size, void *data)
{
    struct request *request = data;
    struct pe_error ignored;
    return pe_buf_append(&request->answer, bytes, one * size, &ignored) == 0 ? one * size : 0;
}

static int send_request(struct request *request, struct pe_error *err)
{
    char why[CURL_ERROR_SIZE], url[2100], authorization[128] = "", name[300];
    __attribute__((cleanup(cleanup_curl))) CURL *curl = curl_easy_init();
    __attribute__((cleanup(cleanup_list))) struct curl_slist *headers =
        curl_slist_append(NULL, "Content-Type: application/json");
    if (!curl || !headers)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for libcurl");
    request->answer.limit = ANSWER_BYTES_MAX;
    snprintf(url, sizeof url, "%s/v1/join", request->url);
    if (request->token) {
        snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", request->token);
        headers = curl_slist_append(headers, authorization);
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    if (request->body)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, SECONDS_MAX);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, request);
    pe_route_apply(request->route, curl, why);
    CURLcode code = curl_easy_perform(curl);
    explicit_bzero(authorization, sizeof authorization);
    snprintf(name, sizeof name, "the balancer at %.250s", request->url);
    if (code != CURLE_OK)
        return pe_route_fail(curl, code, why, name, err);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &request->status);
    return 0;
}

/* A text of the balancer goes to a terminal. */
static void make_printable(char *text)
{
    for (size_t left = strlen(text); left; left--, text++)
        for (size_t i = pe_control_size(text, left); i > 0; i--)
            text[i - 1] = '?';
}

static json_t *parse_answer(const struct request *request)
{
    json_error_t where;
    struct pe_error ignored;
    const struct pe_buf *text = &request->answer;
    if (!text->size || pe_json_check_bounds(text->data, text->size, ANSWER_VALUES_MAX, &ignored) < 0)
        return NULL;
    return json_loadb((const char *)text->data, text->size, 0, &where);
}

static int fail_by_status(const struct request *request, const json_t *answer, struct pe_error *err)
{
    const char *detail = json_string_value(json_object_get(answer, "detail"));
    const enum pe_error_kind kind = request->status == 503 ? PE_ERR_BUSY : PE_ERR_INVALID;
    if (!detail)
        return pe_fail(err, kind, "%s is no balancer, or one of an older version: it answers with %ld",
                       request->url, request->status);
    pe_fail(err, kind, "the balancer refuses: %.800s", detail);
    make_printable(err->message);
    return -1;
}

/* Send the request, and again if the balancer is busy or a connection fails; all of them may be repeated. */
static json_t *ask(struct request *request, long good, struct pe_error *err)
{
    for (unsigned attempt = 1;; attempt++) {
        request->answer.size = 0;
        const int sent = send_request(request, err);
        pe_autojson json_t *answer = sent < 0 ? NULL : parse_answer(request);
        if (sent == 0 && request->status == good)
            return answer ? json_incref(answer) : json_null();
        if (sent == 0)
            fail_by_status(request, answer, err);
        if (attempt == ATTEMPTS || (sent == 0 && err->kind != PE_ERR_BUSY))
            return NULL;
        usleep(500000);
    }
}

static bool is_host(const char *text)
{
    bool fits = text && *text && strlen(text) < JOIN_HOST_SIZE && isalnum((unsigned char)*text);
    for (; fits && *text; text++)
        fits = isalnum((unsigned char)*text) || strchr(".-_", *text);
    return fits;
}

/* Whether a text can be a URL or the name of an image, and may be shown in a terminal. */
static bool is_printable(const char *text)
{
    while (*text > ' ' && *text <= '~')
        text++;
    return !*text;
}

/* `store` and all names are texts that can be arguments of pe-image. */
static bool are_images(const json_t *images)
{
    size_t i = 0;
    const json_t *name = NULL;
    const char *store = json_string_value(json_object_get(images, "store"));
    if (!store || !is_printable(store) ||
        (strncmp(store, "http://", 7) != 0 && strncmp(store, "https://", 8) != 0))
        return false;
    json_array_foreach(json_object_get(images, "names"), i, name)
    {
        const char *text = json_string_value(name);
        if (!text || !isalnum((unsigned char)*text) || !is_printable(text))
            return false;
    }
    return true;
}

static int read_answer(const json_t *json, struct join_answer *answer, struct pe_error *err)
{
    const char *host = json_string_value(json_object_get(json, "host"));
    json_t *images = json_object_get(json, "images");
    if (!is_host(host) || (images && !json_is_null(images) && !are_images(images)))
        return pe_fail(err, PE_ERR_MALFORMED, "the balancer's answer is not one to a host that joins");
    snprintf(answer->host, sizeof answer->host, "%s", host);
    answer->images = json_is_object(images) ? json_incref(images) : NULL;
    return 0;
}

int join_exchange(const char *url, const struct pe_route *route, const char *code, const char *token,
                  struct join_answer *answer, struct pe_error *err)
{
    char hash[PE_SHA256_HEX_SIZE];
    *answer = (struct join_answer){.images = NULL};
    if (token && pe_sha256_hex(token, strlen(token), hash, err) < 0)
        return -1;
    pe_autojson json_t *body = json_pack("{s:s, s:s*}", "code", code, "token_sha256", token ? hash : NULL);
    pe_autofree char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    if (!text)
        return pe_fail(err, PE_ERR_INVALID, "the join code is not UTF-8");
    struct request request = {.url = url, .method = "POST", .body = text, .route = route};
    pe_autojson json_t *json = ask(&request, 200, err);
    const int failed = json ? read_answer(json, answer, err) : -1;
    pe_buf_free(&request.answer);
    return failed;
}

int join_give_back(const char *url, const struct pe_route *route, const char *token, struct pe_error *err)
{
    struct request request = {.url = url, .method = "DELETE", .token = token, .route = route};
    pe_autojson json_t *json = ask(&request, 204, err);
    pe_buf_free(&request.answer);
    return json ? 0 : -1;
}

void join_answer_free(struct join_answer *answer)
{
    json_decref(answer->images);
    answer->images = NULL;
}

int join_check_url(const char *url, struct pe_error *err)
{
    static const char *const local[] = {"http://127.0.0.1", "http://localhost", "http://[::1]"};
    bool is_local = false;
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        is_local |= !strncmp(url, local[i], strlen(local[i])) && strchr(":/", url[strlen(local[i])]);
    for (const char *c = url; *c; c++)
        if (*c < 0x21 || *c > 0x7e || strchr("\"'\\$`", *c))
            return pe_fail(err, PE_ERR_INVALID, "the URL of the balancer has a character that no URL has");
    if (strlen(url) > 2000)
        return pe_fail(err, PE_ERR_INVALID, "the URL of the balancer is too long");
    /* What is before the '@' looks like a host, and is none. */
    if (strchr(url, '@'))
        return pe_fail(err, PE_ERR_INVALID,
                       "the URL of a balancer has no name and no password: '%.200s' has an '@'", url);
    if (is_local || (!strncmp(url, "https://", 8) && url[8]))
        return 0;
    return pe_fail(
        err, PE_ERR_INVALID,
        "'%.200s' is not the URL of a balancer with TLS, as in https://balancer.example: without TLS, "
        "anybody on the way could read the code and the token",
        url);
}
