/* SPDX-License-Identifier: Apache-2.0 */
/* A job whose input is typed while it runs, on a WebSocket of its client: how it is let in and given up,
 * its limits, and how events are sent. What the messages of a client look like is the part of a dialect:
 * the service's own is connect.c.
 *
 * A session begins with the connection. The first message of the client has the job. When the job has
 * ended, the session sends the last event and closes the connection; when the connection is lost, the job
 * is canceled. Such a job is neither shared nor cached, and it has one try, since what was typed is gone
 * with its slot.
 *
 * live_session.c    the connection, the phases of a session and their time, what it sends
 * live_admission.c  the job: it is let in, waits, and reports */
#ifndef PE_LB_API_LIVE_SESSION_H
#define PE_LB_API_LIVE_SESSION_H

#include "lb/api/event_encoder.h"
#include "lb/api/exchange.h"
#include "lb/core/byte_budget.h"
#include "lb/core/client.h"
#include "lb/core/deadlines.h"
#include "lb/core/job.h"
#include "lb/core/job_input.h"
#include "lb/core/submission.h"
#include "lb/edge/ws_server.h"
#include "proto/problem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct live_session;

/* The form that an API gives to a session. */
struct live_dialect {
    size_t session_size; /* bytes of the struct that begins with a struct live_session; zero-initialised */

    /* A message of the client, text or binary. Not called any more after live_session_fail(). */
    void (*on_text)(struct live_session *session, const uint8_t *text, size_t size);
    void (*on_bytes)(struct live_session *session, const uint8_t *bytes, size_t size);

    /* How long a client may send nothing at first, and how the connection is closed then. 0: 10 s. */
    uint64_t silent_us;
    uint16_t silent_code;
    const char *silent_reason;

    /* Events as text; its context is the session. NULL: the service's own form. */
    event_writer *write_event;

    /* With which code and reason the connection is closed behind the last event. NULL: 1000. */
    uint16_t (*close_code)(const struct live_session *session, const char **reason);

    /* Free what the dialect has added to the session. NULL: nothing. */
    void (*dispose)(struct live_session *session);
};

/* Limits of an operator. */
struct live_limits {
    uint64_t jobs;     /* sessions with a job at a time; 0: half of all slots, and at least one */
    uint64_t idle_us;  /* without input and output */
    uint64_t total_ms; /* of a job, and the default of its time limit */
    uint64_t stall_us; /* for which a client may take nothing of what is sent after the end */
    size_t arriving;   /* bytes of first messages that are arriving, of all clients together */
};

/* What all sessions share. */
struct live_sessions {
    struct exchanges *exchanges; /* each session counts as one */
    struct ws_context ws;
    struct live_limits limits;
    size_t open;      /* connections */
    size_t jobs;      /* sessions whose job waits or runs */
    size_t arriving;  /* bytes of first messages that have arrived in part */
    uint64_t started; /* jobs that were let in */
    uint64_t refused; /* jobs that were not, because of `limits.jobs` */
};

enum live_phase {
    LIVE_SILENT,  /* the first message has not arrived */
    LIVE_WAITING, /* for workers that are still connecting, or for a slot */
    LIVE_RUNNING,
    LIVE_ENDING, /* the last events are being sent */
};

struct live_session {
    struct live_sessions *sessions;
    const struct live_dialect *dialect;
    struct ws_server ws;
    enum live_phase phase;
    char id[33];
    struct request_trace trace;
    struct client_identity who;
    struct client *client;        /* NULL until it is let in */
    struct submission submission; /* of the client, completed by live_session_run() */
    bool is_counted;              /* in `sessions->jobs` */
    struct job_waiter waiter;
    struct job_input input;
    struct event_encoder events;
    size_t sent;          /* bytes of events.out that are in the socket */
    bool is_sending;      /* an event is being sent */
    size_t arriving;      /* bytes of the message that is arriving, if it is the first one */
    bool is_arriving;     /* the first message has begun, perhaps with an empty frame */
    uint64_t active_us;   /* when input or output moved last */
    uint64_t started_us;  /* when the job started on a slot; 0: not yet */
    uint64_t finished_us; /* when the result was complete; 0: not yet */
    char worker[256];     /* that runs the job, or did; empty: none yet */
    struct deadline deadline;
    void (*on_waited)(struct live_session *session); /* WAITING: the time of the deadline is over */
    struct budget_reader reader;
    char log_status[48]; /* a result's status or a problem's type */
};

/* `ctx` and what the other arguments point to must outlive `sessions`, which must stay where it is.
 * `limits` is copied. */
void live_sessions_init(struct live_sessions *sessions, h2o_context_t *ctx, struct exchanges *exchanges,
                        const struct live_limits *limits);

/* Upgrade the connection of a request whose handshake was checked. `who` is its client, who may start jobs.
 * `dialect` must outlive it. */
void live_session_open(struct live_sessions *sessions, const struct live_dialect *dialect,
                       const struct client_identity *who, h2o_req_t *req, const char *client_key);

/* ---- for a dialect: what a client wants ---- */

/* Run the job of session->submission. session->input.live says whether it has a terminal. If `has_timeout` is
 * false, the time limit is that of the service for such jobs. Fails the session if the job is refused. */
void live_session_run(struct live_session *session, bool has_timeout);

/* Bytes for standard input. Fails the session if there is no room for them. */
void live_session_type(struct live_session *session, const void *bytes, size_t size);

/* Something else was typed: the caller has put it into session->input. */
void live_session_note_input(struct live_session *session);

/* End the session with a problem: the job is canceled. */
void live_session_fail(struct live_session *session, const struct pe_problem *problem);

/* The same for an error (proto/problem.h). */
void live_session_fail_error(struct live_session *session, const struct pe_error *err);

/* End the session without an event: the job is canceled, and the connection is closed with this code. */
void live_session_close(struct live_session *session, uint16_t code, const char *reason);

/* ---- for live_admission.c ---- */

/* Something has happened: send events. */
void live_session_send(struct live_session *session);

/* The result is complete. */
void live_session_end(struct live_session *session);

#endif
