/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a job while its reply is awaited: queued at a position, or running. It is polled
 * once a second with GET /v1/jobs/ID (docs/api.md), beside the job's own request and on the same
 * libcurl multi handle. Polling stops after three failures in a row, because the server may not
 * know the endpoint. */
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
    uint64_t sent_us;               /* when the job's request had been sent; 0: not yet */
    uint64_t asked_us, answered_us; /* times of the last poll and of its reply */
    unsigned failures;              /* in a row */
    bool is_pending;
    struct transfer request;
    struct http_reply reply;

    enum job_poll_state state;               /* according to the last reply */
    long long position, wait_ms, running_ms; /* -1: unknown */
};

/* Prepare to poll for the job with the request id `id`. `server` must outlive `poll`. */
void job_poll_init(struct job_poll *poll, const struct http_server *server, const char *id);

/* Report what is known about the job on the server's progress line. Start the next poll in `multi`
 * when it is due. */
void job_poll_report(struct job_poll *poll, CURLM *multi);

/* Handle the end of a transfer of `multi`. Transfers that are not the poll's own are ignored. */
void job_poll_on_transfer_end(struct job_poll *poll, CURLM *multi, const CURL *curl, CURLcode code);

/* Abort the current poll, if there is one, and release its resources. Call this before `multi` is
 * freed. */
void job_poll_cancel(struct job_poll *poll, CURLM *multi);
/* Free what `poll` owns. No transfer may be under way. */
void job_poll_free(struct job_poll *poll);

#endif
