/* SPDX-License-Identifier: Apache-2.0 */
/* Polling the state of a job. No failure here affects the job: without a reply only the waiting
 * time is shown. */
#include "cli/job_poll.h"

#include "base/io.h"
#include "proto/job_spec.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define ASK_EVERY_US 1000000u
#define ASK_TIMEOUT_MS 2000L
#define FAILURES_MAX 3
#define REPLY_BYTES_MAX 4096

void job_poll_init(struct job_poll *poll, const struct http_server *server, const char *id)
{
    *poll = (struct job_poll){.server = server};
    snprintf(poll->path, sizeof poll->path, "/v1/jobs/%s", id);
}

void job_poll_free(struct job_poll *poll)
{
    transfer_free(&poll->request);
    http_reply_free(&poll->reply);
}

void job_poll_cancel(struct job_poll *poll, CURLM *multi)
{
    if (poll->is_pending)
        curl_multi_remove_handle(multi, poll->request.curl);
    poll->is_pending = false;
    job_poll_free(poll);
}

/* ---- the reply ---- */

static long long read_number(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    return json_is_integer(value) ? (long long)json_integer_value(value) : -1;
}

static bool read_reply(struct job_poll *poll)
{
    const struct http_reply *reply = &poll->reply;
    if (reply->status != 200 || reply->body.size == 0)
        return reply->status == 429; /* too many requests from this address: not a failure, try again */
    pe_autojson json_t *json = http_read_json(reply->body.data, reply->body.size, 0);
    const char *state = json_string_value(json_object_get(json, "state"));
    if (!state)
        return false;
    poll->state = !strcmp(state, "queued")    ? JOB_POLL_QUEUED
                  : !strcmp(state, "running") ? JOB_POLL_RUNNING
                                              : JOB_POLL_UNKNOWN;
    poll->position = read_number(json, "position");
    poll->wait_ms = read_number(json, "wait_ms");
    poll->running_ms = read_number(json, "running_ms");
    poll->answered_us = pe_now_us();
    return true;
}

void job_poll_on_transfer_end(struct job_poll *poll, CURLM *multi, const CURL *curl, CURLcode code)
{
    struct pe_error ignored;
    if (!poll->is_pending || poll->request.curl != curl)
        return;
    bool has_reply = transfer_finish(&poll->request, code, &ignored) == 0 && read_reply(poll);
    poll->failures = has_reply ? 0 : poll->failures + 1;
    job_poll_cancel(poll, multi);
}

/* ---- the poll ---- */

static void ask(struct job_poll *poll, CURLM *multi)
{
    struct pe_error ignored;
    poll->asked_us = pe_now_us();
    const char *key = poll->server->job_key;
    if (transfer_begin(&poll->request, poll->server, poll->path, REPLY_BYTES_MAX, &poll->reply, &ignored) <
            0 ||
        (key && transfer_header(&poll->request, "PE-Job-Key", key, &ignored) < 0)) {
        job_poll_free(poll);
        poll->failures = FAILURES_MAX;
        return;
    }
    curl_easy_setopt(poll->request.curl, CURLOPT_TIMEOUT_MS, ASK_TIMEOUT_MS);
    poll->is_pending = curl_multi_add_handle(multi, poll->request.curl) == CURLM_OK;
}

/* ---- reporting ---- */

static double seconds_since(uint64_t us)
{
    return (double)(pe_now_us() - us) / 1e6;
}

static void report(const struct job_poll *poll)
{
    struct progress *progress = poll->server->progress;
    double answered_s = poll->answered_us ? seconds_since(poll->answered_us) : 0;
    double left_s = (double)poll->wait_ms / 1e3 - answered_s;
    if (poll->state == JOB_POLL_RUNNING && poll->running_ms >= 0)
        progress_report(progress, "running %.1f s", (double)poll->running_ms / 1e3 + answered_s);
    else if (poll->state == JOB_POLL_QUEUED && poll->position > 0 && poll->wait_ms >= 0)
        progress_report(progress, "queued (position %lld, about %.0f s)", poll->position,
                        left_s > 1 ? left_s : 1);
    else
        progress_report(progress, "waiting %.1f s", seconds_since(poll->sent_us));
}

void job_poll_report(struct job_poll *poll, CURLM *multi)
{
    uint64_t now = pe_now_us();
    if (!poll->sent_us)
        poll->sent_us = poll->asked_us = now;
    if (!poll->is_pending && poll->failures < FAILURES_MAX && now - poll->asked_us >= ASK_EVERY_US)
        ask(poll, multi);
    report(poll);
}
