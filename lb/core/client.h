/* SPDX-License-Identifier: Apache-2.0 */
/* Clients, told apart by their API key or else by their address: their queues, how many jobs they have
 * here, and their limits. The table is bounded: clients without a job may be forgotten, the one that was
 * silent for longest first. Clients with a key are kept apart, so that many addresses do not make the
 * balancer forget what a key has used. */
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
    uint64_t burst; /* jobs at once after a pause; 0: as `rate` */
    uint64_t cpu_s; /* seconds of CPU time in a day; 0: no limit. A day begins with its first job. */
};

/* Lengths with the NUL. */
enum { CLIENT_KEY_ID_SIZE = 17, CLIENT_KEY_NAME_SIZE = 64 };

/* Who sends a request, and what he may do. */
struct client_identity {
    struct pe_ip_address address;
    char key_id[CLIENT_KEY_ID_SIZE];     /* of an API key; empty: no key, the address counts */
    char key_name[CLIENT_KEY_NAME_SIZE]; /* for logs and messages */
    struct client_limits limits;
};

struct client {
    struct pe_ip_address address; /* IPv6: only the first 64 bits; all zeros with a key */
    char key_id[CLIENT_KEY_ID_SIZE];
    char key_name[CLIENT_KEY_NAME_SIZE];
    struct client_limits limits; /* as they were when it came last */
    struct client_queue queue;
    struct pe_list in_idle; /* while it has no job here */
    uint64_t idle_us;       /* since when */
    size_t jobs;            /* that are here, waiting and running */
    double tokens;          /* of the token bucket for jobs, at `filled_us` */
    uint64_t filled_us;     /* when the bucket was filled last; 0: never */
    double status_tokens;   /* the same for questions about jobs */
    uint64_t status_filled_us;
    uint64_t day_us; /* when its day began; 0: never */
    uint64_t cpu_us; /* CPU time that it has used since */
};

struct clients {
    void *tree; /* tsearch(3), by key and address */
    struct pe_list idle;
    struct pe_list idle_keys; /* the same of clients with a key */
    size_t count, key_count;  /* without and with a key */
};

/* Begin with no clients. */
void clients_init(struct clients *clients);

/* Count one more job of a client; client_leave() ends it. All addresses of an IPv6 /64 network are one
 * client, and all who have the same key. NULL if a limit forbids it (PE_ERR_BUSY, and `retry_after_s`
 * says in how many seconds to try again) or without memory (PE_ERR_INTERNAL). The client belongs to
 * `clients`, and lives as long as it has a job here. */
struct client *client_enter(struct clients *clients, const struct client_identity *who, uint64_t now_us,
                            unsigned *retry_after_s, struct pe_error *err);

/* A job of this client has used CPU time. */
void client_charge(struct client *client, uint64_t cpu_us);

/* One of the client's jobs has ended. */
void client_leave(struct clients *clients, struct client *client, uint64_t now_us);

/* Forget the clients without a key that have had no job here since `before_us`. */
void clients_forget_idle(struct clients *clients, uint64_t before_us);

/* Forget all clients, of which none may have a job here: for a test that looks for leaks. The clients of a
 * balancer last as long as its process. */
void clients_free(struct clients *clients);

/* How many questions about jobs, and deletions of results, a client may send per second, and how many at once
 * after a pause. */
enum { CLIENT_STATUS_RATE = 5, CLIENT_STATUS_BURST = 20 };

/* Count one question about a job, or one deletion, from an address. PE_ERR_BUSY if there are too many,
 * PE_ERR_INTERNAL without memory. */
int client_count_status(struct clients *clients, const struct pe_ip_address *address, uint64_t now_us,
                        struct pe_error *err) PE_MUST_CHECK;

#endif
