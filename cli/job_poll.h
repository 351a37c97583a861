/* Where a job is while its answer is awaited: asked for beside the request itself, once a second, when that
 * has been silent for a second (GET /v1/jobs/ID, docs/api.md). A server that does not know is asked no more.
 */
#ifndef PE_CLI_JOB_POLL_H
#define PE_CLI_JOB_POLL_H

#include "cli/http_reply.h"
#include "cli/http_server.h"
#include "cli/transfer.h"

#include <stdbool.h>
#include <stdint.h>

enum job_poll_state { JOB_POLL_UNKNOWN, JOB_POLL_QUEUED, JOB_POLL_RUNNING };

struct job_poll {
    const struct http_server *server;
    char path[64];
    uint64_t sent_us; /* the request was out, */
    uint64_t asked_us, answered_us;
    unsigned failures; /* in a row */
    bool is_pending;
    struct transfer request;
    struct http_reply answer;

    enum job_poll_state state;               /* as last heard */
    long long position, wait_ms, running_ms; /* -1: not told */
};

void job_poll_init(struct job_poll *poll, const struct http_server *server, const char *id);

/* Say on the server's progress line what is known; ask anew when it is time, with a handle in `multi`. */
void job_poll_report(struct job_poll *poll, CURLM *multi);

/* A handle of `multi` has ended; nothing happens when it is not the request's. */
void job_poll_on_transfer_end(struct job_poll *poll, CURLM *multi, const CURL *curl, CURLcode code);

/* Ask no more. */
void job_poll_cancel(struct job_poll *poll, CURLM *multi);
void job_poll_free(struct job_poll *poll);

#endif
