/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of the helper: one request after the other, with libcurl. What the OTLP specification calls
 * retryable is tried again, for a bounded time. While that lasts, nothing is read from the balancer, which
 * drops what it has no room for. The helper exits with its parent. */
#include "lb/core/span_sender.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "lb/core/span_wire.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    CONNECT_MS = 2000,
    REQUEST_MS = 4000,
    TRIES = 3,
    RETRY_MS = 500,         /* before the second try; before the third, twice as long */
    COMPLAIN_US = 60000000, /* a fault is logged at most once in this time */
    ANSWER_MAX = 64 * 1024, /* bytes of an answer; nobody reads them */
};

struct sender {
    int fd;
    char url[2048];
    char shown_url[2048]; /* the same for the log, without a password */
    CURL *curl;
    struct curl_slist *headers;
    uint64_t complained_us; /* 0: not yet */
    size_t answered;        /* bytes of the current answer */
};

/* An answer of the collector says nothing that is needed, and may not be endless. */
static size_t on_answer(char *bytes, size_t one, size_t size, void *data)
{
    struct sender *sender = data;
    (void)bytes;
    sender->answered += one * size;
    return sender->answered > ANSWER_MAX ? 0 : one * size;
}

/* A collector can ask for a name and a password, which URLs may carry. */
static void hide_password(struct sender *sender)
{
    CURLU *parts = curl_url();
    char *text = NULL;
    bool is_read = parts && curl_url_set(parts, CURLUPART_URL, sender->url, 0) == CURLUE_OK &&
                   curl_url_set(parts, CURLUPART_USER, NULL, 0) == CURLUE_OK &&
                   curl_url_set(parts, CURLUPART_PASSWORD, NULL, 0) == CURLUE_OK &&
                   curl_url_get(parts, CURLUPART_URL, &text, 0) == CURLUE_OK;
    snprintf(sender->shown_url, sizeof sender->shown_url, "%s", is_read ? text : "the URL of the collector");
    curl_free(text);
    curl_url_cleanup(parts);
}

static int prepare(struct sender *sender, struct pe_error *err)
{
    sender->curl = curl_easy_init();
    sender->headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (!sender->curl || !sender->headers)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot start libcurl");
    curl_easy_setopt(sender->curl, CURLOPT_URL, sender->url);
    curl_easy_setopt(sender->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(sender->curl, CURLOPT_HTTPHEADER, sender->headers);
    curl_easy_setopt(sender->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(sender->curl, CURLOPT_TIMEOUT_MS, (long)REQUEST_MS);
    curl_easy_setopt(sender->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(sender->curl, CURLOPT_USERAGENT, "pe-lb");
    curl_easy_setopt(sender->curl, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(sender->curl, CURLOPT_WRITEDATA, sender);
    return 0;
}

static void complain(struct sender *sender, const char *why)
{
    uint64_t now = pe_now_us();
    if (sender->complained_us && now - sender->complained_us < COMPLAIN_US)
        return;
    sender->complained_us = now;
    pe_log(PE_LOG_WARN, "traces cannot be exported to %s: %s", sender->shown_url, why);
}

/* The status of the answer, or 0 with the reason in `why` if there is none. */
static long post(struct sender *sender, const struct pe_buf *body, char *why, size_t why_size)
{
    long status = 0;
    sender->answered = 0;
    curl_easy_setopt(sender->curl, CURLOPT_POSTFIELDSIZE, (long)body->size);
    curl_easy_setopt(sender->curl, CURLOPT_POSTFIELDS, (const char *)body->data);
    CURLcode code = curl_easy_perform(sender->curl);
    if (code != CURLE_OK) {
        snprintf(why, why_size, "%s", curl_easy_strerror(code));
        return 0;
    }
    curl_easy_getinfo(sender->curl, CURLINFO_RESPONSE_CODE, &status);
    snprintf(why, why_size, "the collector answers with status %ld", status);
    return status;
}

/* OTLP/HTTP, "Failures": these statuses are retryable, and so is a connection that fails. */
static bool is_retryable(long status)
{
    return status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
}

/* Wait before the next try. Returns false if the balancer has closed its end. */
static bool pause_before_try(const struct sender *sender, int pause_ms)
{
    struct pollfd poll_fd = {.fd = sender->fd, .events = POLLRDHUP};
    return poll(&poll_fd, 1, pause_ms) == 0;
}

static bool export_body(struct sender *sender, const struct pe_buf *body)
{
    char why[160];
    for (int try = 0, pause_ms = RETRY_MS;; try++, pause_ms *= 2) {
        long status = post(sender, body, why, sizeof why);
        if (status >= 200 && status < 300)
            return true;
        if (!is_retryable(status) || try + 1 == TRIES || !pause_before_try(sender, pause_ms))
            break;
    }
    complain(sender, why);
    return false;
}

/* Fill `bytes` from the socket. Returns false at the end of the stream. */
static bool read_exactly(int fd, void *bytes, size_t size)
{
    for (size_t got = 0; got < size;) {
        ssize_t n = read(fd, (char *)bytes + got, size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static int serve(struct sender *sender, struct pe_error *err)
{
    pe_autobuf struct pe_buf body = {0};
    struct span_frame frame;
    while (read_exactly(sender->fd, &frame, sizeof frame)) {
        body.size = 0;
        if (frame.size > SPAN_BODY_MAX || pe_buf_reserve(&body, frame.size + 1, err) < 0)
            return pe_fail(err, PE_ERR_INTERNAL, "cannot receive spans of %u bytes", frame.size);
        if (!read_exactly(sender->fd, body.data, frame.size))
            return 0;
        body.size = frame.size;
        struct span_report report = {.count = frame.count, .exported = export_body(sender, &body)};
        if (pe_write_all(sender->fd, &report, sizeof report, "the balancer", err) < 0)
            return 0; /* it has gone */
    }
    return 0;
}

int span_sender_main(int argc, char **argv)
{
    struct pe_error err;
    struct sender sender = {.fd = argc > 2 ? atoi(argv[2]) : -1};
    pe_log_init("pe-lb-traces");
    if (argc != 4)
        return 2;
    /* Ctrl-C is meant for the balancer. The helper exits when the balancer closes its socket. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NAME, "pe-lb-traces");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    size_t size = strlen(argv[3]);
    while (size && argv[3][size - 1] == '/')
        size--;
    snprintf(sender.url, sizeof sender.url, "%.*s/v1/traces", (int)size, argv[3]);
    hide_password(&sender);
    int failed = prepare(&sender, &err) < 0 || serve(&sender, &err) < 0;
    if (failed)
        pe_log(PE_LOG_ERROR, "%s", err.message);
    curl_slist_free_all(sender.headers);
    curl_easy_cleanup(sender.curl);
    curl_global_cleanup();
    return failed ? 1 : 0;
}
