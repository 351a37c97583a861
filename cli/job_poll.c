/* Asking where a job is. Nothing here can fail the job: without an answer, only the time is shown. */
#include "cli/job_poll.h"

#include "base/io.h"
#include "proto/job_spec.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define ASK_EVERY_US 1000000u
#define ASK_TIMEOUT_MS 2000L
#define FAILURES_MAX 3
#define ANSWER_BYTES_MAX 4096

void place_init(struct place *place, const struct http_server *server, const char *id)
{
    *place = (struct place){.server = server};
    snprintf(place->path, sizeof place->path, "/v1/jobs/%s", id);
}

void place_free(struct place *place)
{
    transfer_free(&place->question);
    http_reply_free(&place->answer);
}

void place_leave(struct place *place, CURLM *multi)
{
    if (place->is_asking)
        curl_multi_remove_handle(multi, place->question.curl);
    place->is_asking = false;
    place_free(place);
}

/* ---- the answer ---- */

static long long take_number(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    return json_is_integer(value) ? (long long)json_integer_value(value) : -1;
}

static bool read_answer(struct place *place)
{
    const struct http_reply *answer = &place->answer;
    if (answer->status != 200 || answer->body.size == 0)
        return answer->status == 429; /* asked too often, with others of this address */
    pe_autojson json_t *json = json_loadb((const char *)answer->body.data, answer->body.size, 0, NULL);
    const char *state = json_string_value(json_object_get(json, "state"));
    if (!state)
        return false;
    place->state = !strcmp(state, "queued")    ? PLACE_QUEUED
                   : !strcmp(state, "running") ? PLACE_RUNNING
                                               : PLACE_UNKNOWN;
    place->position = take_number(json, "position");
    place->wait_ms = take_number(json, "wait_ms");
    place->running_ms = take_number(json, "running_ms");
    place->heard_us = pe_now_us();
    return true;
}

void place_on_end(struct place *place, CURLM *multi, const CURL *curl, CURLcode code)
{
    struct pe_error ignored;
    if (!place->is_asking || place->question.curl != curl)
        return;
    bool is_heard = transfer_finish(&place->question, code, &ignored) == 0 && read_answer(place);
    place->failures = is_heard ? 0 : place->failures + 1;
    place_leave(place, multi);
}

/* ---- the question ---- */

static void ask(struct place *place, CURLM *multi)
{
    struct pe_error ignored;
    place->asked_us = pe_now_us();
    if (transfer_begin(&place->question, place->server, place->path, ANSWER_BYTES_MAX, &place->answer,
                       &ignored) < 0) {
        place_free(place);
        place->failures = FAILURES_MAX;
        return;
    }
    curl_easy_setopt(place->question.curl, CURLOPT_TIMEOUT_MS, ASK_TIMEOUT_MS);
    place->is_asking = curl_multi_add_handle(multi, place->question.curl) == CURLM_OK;
}

/* ---- showing ---- */

static double seconds_since(uint64_t us)
{
    return (double)(pe_now_us() - us) / 1e6;
}

static void say(const struct place *place)
{
    struct progress *progress = place->server->progress;
    double heard_s = place->heard_us ? seconds_since(place->heard_us) : 0;
    double left_s = (double)place->wait_ms / 1e3 - heard_s;
    if (place->state == PLACE_RUNNING && place->running_ms >= 0)
        progress_say(progress, "running %.1f s", (double)place->running_ms / 1e3 + heard_s);
    else if (place->state == PLACE_QUEUED && place->position > 0 && place->wait_ms >= 0)
        progress_say(progress, "queued (position %lld, about %.0f s)", place->position,
                     left_s > 1 ? left_s : 1);
    else
        progress_say(progress, "waiting %.1f s", seconds_since(place->sent_us));
}

void place_say(struct place *place, CURLM *multi)
{
    uint64_t now = pe_now_us();
    if (!place->sent_us)
        place->sent_us = place->asked_us = now;
    if (!place->is_asking && place->failures < FAILURES_MAX && now - place->asked_us >= ASK_EVERY_US)
        ask(place, multi);
    say(place);
}
