/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of interactive jobs (docs/api.md#interactive-jobs). Such a client is a request as well: it is in
 * `requests`, has a client address, and waits for a group. */
#ifndef PE_TESTS_MODEL_SESSIONS_H
#define PE_TESTS_MODEL_SESSIONS_H

#include "lb/api/live_session.h"
#include "proto/slot_live.h"
#include "tests/model/ws_edge.h"

struct request;

struct session {
    struct peer peer;
    struct request *request;
    struct live_session *live;   /* the balancer's side */
    const char *expected;        /* the problem that must follow from what the client says now, or NULL */
    bool is_piston;              /* it speaks as Piston's clients do (connects.h): */
    uint16_t expected_close;     /* the code that must follow, or 0 */
    size_t frame_at, frame_told; /* of the report: the frame that is told, and bytes of it that were told */
    unsigned exits;              /* ends of stages that were told */
    bool has_run;                /* it has sent its job */
    bool is_closing;             /* the balancer closes the connection */
    bool is_counted;             /* its job waits or runs */
    uint64_t active_us;          /* when something was typed or sent to the client */
    uint64_t sent_us;            /* when something was sent to it */

    /* what the client has done with its program */
    size_t typed, told; /* bytes: sent, and those of which the client knows that they were taken */
    bool is_ended;      /* no more bytes follow */
    bool is_tty;
    struct pe_window window; /* the last one that it has sent, */
    bool is_resized;         /* which is on its way; */
    bool was_resized;        /* it is not that of the job */
    uint64_t signals;        /* bits: on their way */
};

/* A client connects. */
void session_open(void);

/* A client does something with its connection, or reads an event, or hangs up. */
void session_act(struct request *request);
void session_read(struct request *request);
void session_hang_up(struct request *request);

/* The byte that a client types at this position. */
uint8_t session_byte(const struct request *request, size_t at);

/* How many jobs may have a session, and have one. */
size_t sessions_max(void);
size_t sessions_counted(void);

/* When something happened last in its job, for the bound of idle sessions. */
uint64_t session_active_us(const struct request *request);

/* At rest. */
void session_check_rest(const struct request *request);

#endif
