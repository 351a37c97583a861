/* SPDX-License-Identifier: Apache-2.0 */
/* Workers: registrations that say what they have, and slots that run jobs. Most of the time they keep
 * the slot protocol. For everything that they say, the model knows before whether the balancer must
 * accept it, ignore it or close the connection. */
#ifndef PE_TESTS_MODEL_HOSTS_H
#define PE_TESTS_MODEL_HOSTS_H

#include "lb/core/live_output.h"
#include "proto/slot.h"
#include "tests/model/ws_edge.h"

struct run;

struct registration_actor {
    struct peer peer;
    bool is_refused; /* it said something that must close it */
};

/* What a slot is doing, as the balancer must see it. */
enum slot_view { VIEW_IDLE, VIEW_READY, VIEW_INPUT, VIEW_RUNNING, VIEW_RESULT, VIEW_CANCELED };

/* What must happen to something that a slot says. */
enum reaction { IGNORED, TAKEN, CLOSED };

/* What one `output` announces. */
struct announced {
    struct announced_part {
        enum live_stream stream;
        size_t size;
    } parts[3];
    unsigned count;
};

struct slot_actor {
    struct peer peer;
    unsigned number;

    /* the balancer's view */
    enum slot_view view;
    bool has_name;
    unsigned name;     /* of its worker, from the last `ready` that counts */
    int warm;          /* image, or -1 */
    bool is_live;      /* it understands the messages of live jobs */
    bool is_watched;   /* it was asked for the output of its job */
    bool has_begun;    /* it has sent something of its job */
    bool is_announced; /* the bytes of `announced` follow */
    struct run *run;   /* while a job is on it */
    uint64_t deadline_us;
    size_t input_bytes;     /* that were sent for the job, */
    size_t input_size;      /* of so many */
    size_t input_announced; /* bytes of live input that follow */
    uint64_t left;          /* bytes of the result that were not sent */
    bool is_shared;         /* it says that it is offered to other balancers as well, */
    bool was_welcomed;      /* and the balancer has answered that it understands that */
    bool is_elsewhere;      /* it was withdrawn, or has given a job back */
    bool is_out;            /* the balancer has forgotten it, and closes its connection */
    bool must_close;        /* what it says now must close the connection */
    char id[PE_ID_MAX + 1]; /* of the last job */

    /* the worker's view, from the messages that it has read */
    bool knows_job, knows_end, knows_cancel, knows_watch, is_sending;
    bool owes_output; /* it has announced some */
    struct announced announced;
    char known_id[PE_ID_MAX + 1];
    struct pe_buf result; /* bytes of its result that it is to send */
};

extern struct registration_actor registrations[REGISTRATIONS];
extern struct slot_actor slots[SLOTS];

/* Begin with nobody. */
void hosts_reset(void);

/* The part of hosts_reset() that is about slots. */
void slots_reset(void);

/* One of the registrations does something. */
void registration_act(void);

/* One of the slots does something. */
void slot_act(void);

/* An operator drains a worker, or lets it work again. */
void operator_act(void);

/* All connections end, and operators want nothing any more. */
void hosts_end_all(void);

/* Say something to the balancer, and check its reaction. CLOSED: the job on the slot is lost with it. */
void slot_say(struct slot_actor *slot, bool is_text, const void *bytes, size_t size, enum reaction reaction);

/* Whether a slot can be given a job. */
bool slot_is_ready(const struct slot_actor *slot);

#endif
