/* SPDX-License-Identifier: Apache-2.0 */
/* What a client that asked for events is told (docs/api.md#events): that they come in their order, that
 * output is complete and of its own job, and that exactly one result or problem ends them. */
#ifndef PE_TESTS_MODEL_EVENTS_H
#define PE_TESTS_MODEL_EVENTS_H

#include "base/buffer.h"
#include "lb/api/event_encoder.h"
#include "tests/model/world.h"

struct request;
struct run;

/* What a client has been told so far. */
struct watcher {
    enum event_framing framing;
    struct pe_buf unparsed;           /* of the response */
    struct pe_buf seen[LIVE_STREAMS]; /* since the job began or began again */
    bool is_queued, is_started, has_ended;
    bool must_restart;        /* the next event is `restarted` */
    bool has_problem;         /* the balancer has decided that there is no result */
    bool is_loose;            /* it cannot be known any more which stream its output is from */
    int64_t progress;         /* of an agent: that of the last notification */
    unsigned count;           /* events */
    struct cases_told *cases; /* owned; NULL: the job has no stages */
};

/* Watch the response of a request, and forget it. */
struct watcher *watcher_make(enum event_framing framing);
void watcher_free(struct watcher *watcher);

/* A piece of a response of events. */
void events_read(struct request *request, const void *bytes, size_t size);

/* An event as a message of a session. */
void events_read_message(struct request *request, const void *bytes, size_t size);

/* What a run has printed was sent to a client that reads. */
void events_check_output(const struct request *request, const struct run *run);

/* The response has ended. */
void events_check_end(const struct request *request);

/* At rest: what was printed was sent, unless the client does not read. */
void events_check_rest(const struct request *request);

/* How many events clients were told, in all runs. */
size_t events_count(void);

#endif
