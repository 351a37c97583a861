/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/hosts, and POST and DELETE of /v1/hosts/NAME/drain: what an operator sees of the
 * workers, and how one is taken out of service and back. The paths and JSON fields call a worker
 * a host. */
#include "lb/api/info.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/time_text.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"
#include "proto/job_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static size_t count_ready(const struct worker *worker)
{
    size_t count = 0;
    for (const struct pe_list *node = worker->ready.next; node != &worker->ready; node = node->next)
        count++;
    return count;
}

/* The host whose token a worker with this name has; NULL if that is one of --token-file, which have no names.
 */
static const struct host_token *token_of(const struct tokens *tokens, const char *name)
{
    const struct host_token *token = host_tokens_find(&tokens->hosts, name);
    return token && token->token[0] ? token : NULL;
}

static json_t *worker_to_json(const struct worker *worker, const struct tokens *tokens,
                              const struct audit *audit)
{
    const struct host_token *token = token_of(tokens, worker->name);
    const uint64_t differences = audit_differences(audit, worker->name);
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:b, s:s?, s:I}", "name",
                     worker->name, "isolation", pe_isolation_name(worker->claim->isolation), "slots",
                     (json_int_t)worker->slots, "vms", (json_int_t)worker->claim->vms, "ready",
                     (json_int_t)count_ready(worker), "running", (json_int_t)worker->running, "images",
                     (json_int_t)worker->claim->catalog.count, "stopping", worker->claim->draining, "drained",
                     worker->drained, "away", scheduler_worker_is_away(worker), "trusted",
                     worker->claim->trusted, "token", token ? token->host : NULL, "differences",
                     (json_int_t)differences);
}

static json_t *time_to_json(int64_t seconds)
{
    char text[PE_TIME_TEXT_SIZE];
    return seconds ? json_string(pe_time_text(seconds, text)) : json_null();
}

static json_t *token_to_json(const struct host_token *token, const struct scheduler *scheduler)
{
    const int64_t now = time(NULL);
    const struct worker *worker = token->token[0] ? scheduler_find_worker(scheduler, token->host) : NULL;
    const bool connected = worker && !scheduler_worker_is_away(worker);
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:b}", "host", token->host, "state",
                     host_token_state(token, now), "created", time_to_json(token->created), "expires",
                     time_to_json(token->expires), "joined", time_to_json(token->joined), "last_seen",
                     time_to_json(connected ? now : token->seen), "connected", connected);
}

/* ---- the list ---- */

/* The state of one response: first the workers, then the tokens. Workers come and go while it is sent. They
 * are sorted by name, so none is listed twice; and so are the tokens. */
struct listing {
    const struct scheduler *scheduler;
    const struct audit *audit;
    const struct tokens *tokens;
    bool in_tokens; /* all workers were sent */
    bool begun;
    char name[256]; /* of the worker or token that was sent last */
};

static int compare_names(const void *left, const void *right)
{
    return strcmp((*(const struct worker *const *)left)->name, (*(const struct worker *const *)right)->name);
}

/* The workers behind the last one that was sent, sorted. The caller frees the array. NULL without
 * memory. */
static const struct worker **rest_of(const struct listing *listing, size_t *count)
{
    const struct worker **rest = calloc(listing->scheduler->known_count + 1, sizeof *rest);
    *count = 0;
    pe_list_for_each(node, &listing->scheduler->workers)
    {
        const struct worker *worker = pe_list_entry(node, struct worker, in_workers);
        if (rest && (!listing->begun || strcmp(worker->name, listing->name) > 0))
            rest[(*count)++] = worker;
    }
    if (*count)
        qsort(rest, *count, sizeof *rest, compare_names);
    return rest;
}

/* Append an element of the list, and note its name. Takes over the reference to `item`. */
static int append_item(struct listing *listing, json_t *item, const char *name, struct pe_buf *out,
                       struct pe_error *err)
{
    pe_autojson json_t *json = item;
    pe_autofree char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the list of workers");
    const char *begin = listing->in_tokens ? "" : "{\"hosts\":[";
    if (pe_buf_printf(out, err, "%s%s", listing->begun ? "," : begin, text) < 0)
        return -1;
    listing->begun = true;
    snprintf(listing->name, sizeof listing->name, "%s", name);
    return 0;
}

static int append_tokens(struct listing *listing, struct pe_buf *out, size_t room, bool *ended,
                         struct pe_error *err)
{
    const struct host_tokens *hosts = &listing->tokens->hosts;
    size_t i = 0;
    while (i < hosts->count && listing->begun && strcmp(hosts->items[i].host, listing->name) <= 0)
        i++;
    for (; i < hosts->count && out->size < room; i++) {
        const struct host_token *token = &hosts->items[i];
        if (append_item(listing, token_to_json(token, listing->scheduler), token->host, out, err) < 0)
            return -1;
    }
    *ended = i >= hosts->count;
    return *ended ? pe_buf_append_text(out, "]}", err) : 0;
}

static int append_workers(struct listing *listing, struct pe_buf *out, size_t room, struct pe_error *err)
{
    size_t count = 0, i = 0;
    pe_autofree const struct worker **rest = rest_of(listing, &count);
    if (!rest)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the list of workers");
    for (i = 0; i < count && out->size < room; i++) {
        if (append_item(listing, worker_to_json(rest[i], listing->tokens, listing->audit), rest[i]->name, out,
                        err) < 0)
            return -1;
    }
    if (i < count)
        return 0;
    if (pe_buf_append_text(out, listing->begun ? "],\"tokens\":[" : "{\"hosts\":[],\"tokens\":[", err) < 0)
        return -1;
    listing->in_tokens = true;
    listing->begun = false;
    return 0;
}

static int append_listing(void *state, struct pe_buf *out, size_t room, bool *ended, struct pe_error *err)
{
    struct listing *listing = state;
    *ended = false;
    return listing->in_tokens ? append_tokens(listing, out, room, ended, err)
                              : append_workers(listing, out, room, err);
}

void api_hosts(const struct audit *audit, const struct tokens *tokens, const struct tokens *operators,
               struct body_streams *streams, h2o_req_t *req)
{
    static const struct body_source source = {.append = append_listing};
    const struct listing listing = {.scheduler = audit->jobs->scheduler, .audit = audit, .tokens = tokens};
    if (!tokens_authorize(operators, req))
        return;
    http_reply_header(req, "cache-control", "no-store");
    body_stream_send(streams, req, "application/json", &source, &listing, sizeof listing);
}

/* Copy NAME out of /v1/hosts/NAME/drain. Returns false for another path, or if it does not fit. */
static bool parse_name(h2o_iovec_t path, char *name, size_t size)
{
    static const char before[] = "/v1/hosts/", after[] = "/drain";
    size_t around = sizeof before - 1 + sizeof after - 1;
    if (path.len <= around || path.len - around >= size ||
        memcmp(path.base + path.len - (sizeof after - 1), after, sizeof after - 1) != 0)
        return false;
    memcpy(name, path.base + sizeof before - 1, path.len - around);
    name[path.len - around] = '\0';
    return true;
}

void api_host_drain(struct audit *audit, const struct tokens *operators, h2o_req_t *req)
{
    char name[256];
    struct pe_error err;
    bool post = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("POST"));
    if (!post && !h2o_memis(req->method.base, req->method.len, H2O_STRLIT("DELETE"))) {
        struct pe_problem problem = problem_make("method-not-allowed", "this path accepts POST, DELETE");
        http_reply_header(req, "allow", "POST, DELETE");
        http_reply_problem(req, &problem);
        return;
    }
    if (!tokens_authorize(operators, req))
        return;
    if (!parse_name(req->path_normalized, name, sizeof name)) {
        struct pe_problem problem = problem_make("not-found", "workers are drained at /v1/hosts/NAME/drain");
        http_reply_problem(req, &problem);
        return;
    }
    if (scheduler_drain(audit->jobs->scheduler, name, post, &err) < 0) {
        http_reply_error(req, &err);
        return;
    }
    if (!post)
        audit_clear(audit, name);
    pe_log(PE_LOG_INFO, "an operator has %s worker '%s'", post ? "drained" : "resumed", name);
    dispatch_soon(audit->jobs->dispatch);
    http_reply_empty(req);
}
