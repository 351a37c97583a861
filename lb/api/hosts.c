/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/hosts, and POST and DELETE of /v1/hosts/NAME/drain: what an operator sees of the
 * workers, and how one is taken out of service and back. The paths and JSON fields call a worker
 * a host. */
#include "lb/api/info.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"
#include "proto/job_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t count_ready(const struct worker *worker)
{
    size_t count = 0;
    for (const struct pe_list *node = worker->ready.next; node != &worker->ready; node = node->next)
        count++;
    return count;
}

static json_t *worker_to_json(const struct worker *worker)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:b}", "name", worker->name, "isolation",
                     pe_isolation_name(worker->claim->isolation), "slots", (json_int_t)worker->slots, "vms",
                     (json_int_t)worker->claim->vms, "ready", (json_int_t)count_ready(worker), "running",
                     (json_int_t)worker->running, "images", (json_int_t)worker->claim->catalog.count,
                     "stopping", worker->claim->draining, "drained", worker->drained, "away",
                     scheduler_worker_is_away(worker));
}

/* ---- the list ---- */

/* The state of one response. Workers come and go while it is sent. They are sorted by name, so none is
 * listed twice. */
struct listing {
    const struct scheduler *scheduler;
    bool begun;
    char name[256]; /* of the worker that was sent last */
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

static int append_worker(const struct worker *worker, bool first, struct pe_buf *out, struct pe_error *err)
{
    pe_autojson json_t *json = worker_to_json(worker);
    pe_autofree char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "no memory for the list of workers");
    return pe_buf_printf(out, err, "%s%s", first ? "{\"hosts\":[" : ",", text);
}

static int append_listing(void *state, struct pe_buf *out, size_t room, bool *ended, struct pe_error *err)
{
    struct listing *listing = state;
    size_t count = 0, i = 0;
    pe_autofree const struct worker **rest = rest_of(listing, &count);
    if (!rest)
        return pe_fail(err, PE_ERR_INTERNAL, "no memory for the list of workers");
    for (i = 0; i < count && out->size < room; i++) {
        if (append_worker(rest[i], !listing->begun, out, err) < 0)
            return -1;
        listing->begun = true;
        snprintf(listing->name, sizeof listing->name, "%s", rest[i]->name);
    }
    *ended = i == count;
    if (*ended)
        return pe_buf_append_text(out, listing->begun ? "]}" : "{\"hosts\":[]}", err);
    return 0;
}

void api_hosts(const struct scheduler *scheduler, const struct tokens *tokens, struct body_streams *streams,
               h2o_req_t *req)
{
    static const struct body_source source = {.append = append_listing};
    const struct listing listing = {.scheduler = scheduler};
    if (!tokens_authorize(tokens, req))
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

void api_host_drain(struct scheduler *scheduler, struct dispatch *dispatch, const struct tokens *tokens,
                    h2o_req_t *req)
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
    if (!tokens_authorize(tokens, req))
        return;
    if (!parse_name(req->path_normalized, name, sizeof name)) {
        struct pe_problem problem = problem_make("not-found", "workers are drained at /v1/hosts/NAME/drain");
        http_reply_problem(req, &problem);
        return;
    }
    if (scheduler_drain(scheduler, name, post, &err) < 0) {
        http_reply_error(req, &err);
        return;
    }
    pe_log(PE_LOG_INFO, "an operator has %s worker '%s'", post ? "drained" : "resumed", name);
    dispatch_soon(dispatch);
    http_reply_empty(req);
}
