/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of one slot to all balancers of its worker. The slot is offered to each of them, and the
 * first one that sends a job gets it. The others are told at once, and what they have sent meanwhile is
 * given back (proto/slot-protocol.md, "Several balancers").
 *
 * A balancer of an earlier version cannot be told. Its job stays in its connection until the slot is free,
 * and runs next. What a job is made of is read by worker/job_run.c. */
#ifndef PE_WORKER_BALANCERS_H
#define PE_WORKER_BALANCERS_H

#include "base/buffer.h"
#include "base/error.h"
#include "proto/slot.h"
#include "worker/balancer_list.h"
#include "worker/config.h"
#include "worker/retry.h"
#include "worker/ws_client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One of them, as a slot knows it. */
struct balancer {
    struct ws_client *client; /* NULL: not connected */
    int answer_fd;            /* while a link connects: for balancer_link_receive; else -1 */
    uint64_t answer_us;       /* when that link has said something, or never will */
    uint64_t connect_us;      /* when to connect next */
    uint64_t connected_us;    /* with `client`: since when */
    struct retry retry;
    unsigned connects;                 /* of its registration, when the connection of the slot was lost */
    uint64_t offer_us;                 /* when to offer the slot; 0: not to be offered */
    struct pe_websocket_message *held; /* a job that runs next; NULL: none */
    bool is_offered;                   /* `ready` was sent, and no `withdraw` */
    bool is_welcome;                   /* it understands `withdraw` and `return` */
    bool may_send;                     /* `ready` was sent, and no job has come since */
};

struct balancers {
    const struct worker_config *config;
    size_t count;
    struct balancer items[BALANCERS_MAX];
    struct balancer *busy;     /* whose job the slot runs; NULL: it is free */
    struct pe_buf ready;       /* the `ready` that is offered; empty: the slot is not offered */
    size_t turn;               /* of several, the one that is offered the slot first */
    uint64_t crowded_until_us; /* until then, several have jobs waiting */
    struct ws_company company; /* the others, while the job of one runs */
};

enum balancers_event {
    BALANCERS_JOB,      /* a balancer has sent a job */
    BALANCERS_FD,       /* the other descriptor is readable, or has ended */
    BALANCERS_DEADLINE, /* the deadline has passed */
    BALANCERS_STOP,     /* a stop was requested */
};

/* Begin without a connection. `balancers` must stay where it is; `config` is borrowed. The connections are
 * made by the functions below, by and by, and again when they are lost; the log says why. */
void balancers_begin(struct balancers *balancers, const struct worker_config *config);

/* Offer the slot, which is free, to all balancers. `warm` is the image that its VM is ready for, or "". Also
 * called when that changes. */
void balancers_offer(struct balancers *balancers, const char *warm);

/* Wait until there is a job, `fd` is readable (-1: none), `deadline_us` has passed (on the clock of
 * pe_now_us), or a stop is requested. With BALANCERS_JOB, `message` is the job, which the caller frees, and
 * the slot belongs to the balancer `balancers->busy` until balancers_free_slot. PE_ERR_INTERNAL if the
 * kernel refuses to wait. */
int balancers_wait(struct balancers *balancers, int fd, uint64_t deadline_us, enum balancers_event *event,
                   struct pe_message *message, struct pe_error *err) PE_MUST_CHECK;

/* The job has ended. `fault` says why its connection cannot be used any more; NULL: it can. */
void balancers_free_slot(struct balancers *balancers, const struct pe_error *fault);

/* Close all connections. */
void balancers_end(struct balancers *balancers);

#endif
