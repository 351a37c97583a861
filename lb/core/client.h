/* What is kept about a client, by its address: its place in the scheduler's turns, how many jobs it has here,
 * and its token bucket. Bounded in number: whoever has no job here may be forgotten, the longest silent
 * first.
 */
#ifndef PE_LB_CORE_CLIENT_H
#define PE_LB_CORE_CLIENT_H

#include "base/error.h"
#include "base/list.h"
#include "lb/core/scheduler.h"
#include "lb/edge/peer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client_limits {
    uint64_t jobs;  /* at a time, waiting and running; 0: no limit */
    uint64_t rate;  /* jobs a minute; 0: no limit */
    uint64_t burst; /* jobs at once after a pause */
};

struct client {
    struct peer peer;
    struct client_queue turns;
    struct list in_idle; /* while it has no job here */
    size_t jobs;
    double tokens;      /* of the bucket, when it was filled last, */
    uint64_t filled_us; /* which was then */
    double looks;       /* the same for questions about jobs */
    uint64_t looked_us;
};

struct clients {
    void *tree; /* tsearch(3), by peer */
    struct list idle;
    size_t count;
    struct client_limits limits;
};

void clients_init(struct clients *clients, const struct client_limits *limits);

/* The client of an address, with one more job here. NULL when a limit forbids that, with what was exceeded
 * and after how many seconds to try again, or without memory. client_leave ends the job. */
struct client *client_enter(struct clients *clients, const struct peer *peer, uint64_t now_us,
                            unsigned *retry_after_s, struct pe_error *err);
void client_leave(struct clients *clients, struct client *client);

/* Whether an address may ask once more how a job is doing: CLIENT_LOOKS_S times a second, and a few more
 * after a pause. PE_ERR_BUSY when it may not. */
enum { CLIENT_LOOKS_S = 5, CLIENT_LOOKS_BURST = 20 };
int client_look(struct clients *clients, const struct peer *peer, uint64_t now_us,
                struct pe_error *err) PE_MUST_CHECK;

#endif
