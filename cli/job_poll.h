/* Where a job is while its answer is awaited: asked for beside the request itself, once a second, when that
 * has been silent for a second (GET /v1/jobs/ID, docs/api.md). A server that does not know is asked no more.
 */
#ifndef PE_CLI_JOB_POLL_H
#define PE_CLI_JOB_POLL_H

#include "cli/http.h"
#include "cli/transfer.h"

#include <stdbool.h>
#include <stdint.h>

enum place_state { PLACE_UNKNOWN, PLACE_QUEUED, PLACE_RUNNING };

struct place {
    const struct http_server *server;
    char path[64];
    uint64_t sent_us; /* the request was out, */
    uint64_t asked_us, heard_us;
    unsigned failures; /* in a row */
    bool is_asking;
    struct transfer question;
    struct http_reply answer;

    enum place_state state;                  /* as last heard */
    long long position, wait_ms, running_ms; /* -1: not told */
};

void place_init(struct place *place, const struct http_server *server, const char *id);

/* Say on the server's progress line what is known; ask anew when it is time, with a handle in `multi`. */
void place_say(struct place *place, CURLM *multi);

/* A handle of `multi` has ended; nothing happens when it is not the question's. */
void place_on_end(struct place *place, CURLM *multi, const CURL *curl, CURLcode code);

/* Ask no more. */
void place_leave(struct place *place, CURLM *multi);
void place_free(struct place *place);

#endif
