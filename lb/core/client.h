/* SPDX-License-Identifier: Apache-2.0 */
/* Clients, told apart by their address: their queues, how many jobs they have here, and their
 * rate limits. The table is bounded: clients without a job may be forgotten, the one that was
 * silent for longest first. */
#ifndef PE_LB_CORE_CLIENT_H
#define PE_LB_CORE_CLIENT_H

#include "base/error.h"
#include "base/ip_address.h"
#include "base/list.h"
#include "lb/core/scheduler.h"

#include <stddef.h>
#include <stdint.h>

struct client_limits {
    uint64_t jobs;  /* at a time, waiting and running; 0: no limit */
    uint64_t rate;  /* jobs per minute; 0: no limit */
    uint64_t burst; /* jobs at once after a pause */
};

struct client {
    struct pe_ip_address address; /* IPv6: only the first 64 bits */
    struct client_queue queue;
    struct pe_list in_idle; /* while it has no job here */
    size_t jobs;            /* that are here, waiting and running */
    double tokens;          /* of the token bucket for jobs, at `filled_us` */
    uint64_t filled_us;     /* when the bucket was filled last; 0: never */
    double status_tokens;   /* the same for questions about jobs */
    uint64_t status_filled_us;
};

struct clients {
    void *tree; /* tsearch(3), by address */
    struct pe_list idle;
    size_t count;
    struct client_limits limits;
};

/* Begin with no clients. `limits` is copied. */
void clients_init(struct clients *clients, const struct client_limits *limits);

/* Count one more job of the client with this address; client_leave() ends it. All addresses of
 * an IPv6 /64 network are one client. NULL if a limit forbids it (PE_ERR_BUSY, and
 * `retry_after_s` says in how many seconds to try again) or without memory (PE_ERR_INTERNAL). */
struct client *client_enter(struct clients *clients, const struct pe_ip_address *address, uint64_t now_us,
                            unsigned *retry_after_s, struct pe_error *err);

/* One of the client's jobs has ended. */
void client_leave(struct clients *clients, struct client *client);

/* Forget all clients. None may have a job here. */
void clients_free(struct clients *clients);

/* How many questions about jobs a client may ask per second, and how many at once after a pause. */
enum { CLIENT_STATUS_RATE = 5, CLIENT_STATUS_BURST = 20 };

/* Count one question about a job. PE_ERR_BUSY if the client asks too often. */
int client_count_status(struct clients *clients, const struct pe_ip_address *address, uint64_t now_us,
                        struct pe_error *err) PE_MUST_CHECK;

#endif
