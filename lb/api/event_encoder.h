/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a job as a series of events (docs/api.md#events), made piece by piece as things happen and
 * the client reads. Each reader has an encoder with its own position in both streams: a slow reader holds
 * up nobody, a late one begins at the beginning, and when the result is there, the positions go on in the
 * result. There is no HTTP in here: the sender takes the bytes from `out`. Functions that make text fail
 * with PE_ERR_INTERNAL without memory, or as the writer of events does; the encoder can then only be freed.
 *
 * event_encoder.c  what happens next, and its frame
 * event_json.c     the events of the service's own API */
#ifndef PE_LB_API_EVENT_ENCODER_H
#define PE_LB_API_EVENT_ENCODER_H

#include "base/buffer.h"
#include "base/error.h"
#include "codec/json_pieces.h"
#include "lb/core/job_result.h"
#include "lb/core/live_output.h"
#include "proto/problem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What stands around the text of an event. */
enum event_framing {
    EVENT_FRAMING_SSE,    /* Server-Sent Events (WHATWG HTML, section 9.2) */
    EVENT_FRAMING_DATA,   /* the same without names: the kind of an event is in its text */
    EVENT_FRAMING_LINES,  /* newline-delimited JSON */
    EVENT_FRAMING_MESSAGE /* nothing: a message of a WebSocket */
};

enum event_kind {
    EVENT_QUEUED,    /* always first */
    EVENT_STARTED,   /* on a slot; or there is a result already */
    EVENT_OUTPUT,    /* some bytes of a stream */
    EVENT_TAKEN,     /* the program has taken input */
    EVENT_RESTARTED, /* the slot was lost: what was sent does not count any more */
    EVENT_PART,      /* `combined`, a file or a folder of the result; only in the service's own form */
    EVENT_RUN,       /* a stage or a case has ended; only in the service's own form */
    EVENT_RESULT,    /* always last, or */
    EVENT_PROBLEM,   /* always last */
};

/* One event. Only the members of its kind are set; everything is borrowed. */
struct event {
    enum event_kind kind;
    const char *id;                   /* QUEUED: of the request */
    bool is_interactive;              /* STARTED: the job takes input */
    enum live_stream stream;          /* OUTPUT */
    struct pe_cursor bytes;           /* OUTPUT: at least one byte */
    bool is_text;                     /* OUTPUT: they are UTF-8, and no character is cut */
    size_t *used;                     /* OUTPUT: set to all bytes; a writer that leaves some for another event
                                         sets how many it took */
    uint64_t taken;                   /* TAKEN: bytes */
    const char *reason;               /* RESTARTED */
    bool is_case;                     /* RUN: a case, else a stage */
    struct job_result *result;        /* RESULT: it is complete */
    const struct pe_result *fields;   /* RESULT: those of the result, except for what is this reader's own */
    const struct pe_problem *problem; /* PROBLEM */
};

/* Turn an event of any kind but EVENT_PART and EVENT_RUN into text, and append it to `out`. May append
 * nothing: the event is then left out. Returns 0, or -1 with `err`. */
typedef int event_writer(void *context, const struct event *event, struct pe_buf *out, struct pe_error *err);

/* The event of a run that was not sent yet. */
struct event_run {
    struct event_run *next;
    bool is_case;
    size_t bytes; /* of memory */
    struct pe_json_pieces text;
};

struct event_encoder {
    enum event_framing framing;
    event_writer *write;
    void *context;       /* of `write` */
    const char *id;      /* of the request; borrowed */
    bool is_interactive; /* the job takes input, and this is its only reader */

    struct live_output *live;  /* a reference; NULL: nothing has arrived */
    struct job_result *result; /* a reference; NULL before the fields of the result are known */
    struct pe_result fields;   /* if there is a result */
    struct pe_problem problem; /* status 0: none */
    char restart_reason[200];  /* if `must_restart` */
    bool must_start, must_restart, is_queued, is_started;
    uint64_t taken;                         /* bytes of input, not reported yet */
    size_t position[LIVE_STREAMS];          /* bytes that are in events */
    struct event_run *first_run, *last_run; /* owned: those whose events were not sent as a whole yet */
    size_t runs_bytes;                      /* bytes of memory that they use */
    enum live_stream turn;                  /* whose bytes come next, if both have some */

    size_t part;       /* the part of the result that comes next */
    size_t offset;     /* where its bytes that are not in the event yet begin */
    size_t part_left;  /* how many they are */
    bool part_is_text; /* they are sent as text */
    bool in_run;       /* the event that has begun is that of a run */
    bool in_event;     /* `out` has the beginning of the event, and not its end */
    bool ended;        /* `out` has the end of the last event */
    struct pe_buf out; /* text that is ready; the sender consumes it */
};

/* Begin. `id` must outlive the encoder. With `write` NULL, events have the service's own form. */
void event_encoder_begin(struct event_encoder *encoder, enum event_framing framing, const char *id,
                         event_writer *write, void *context);

/* ---- what has happened; each is turned into events when there is room ---- */

/* The job runs on a slot. */
void event_encoder_start(struct event_encoder *encoder);

/* There is output of the job. Takes a reference. */
void event_encoder_set_live(struct event_encoder *encoder, struct live_output *live);

/* The program has taken so many more bytes of input. */
void event_encoder_note_taken(struct event_encoder *encoder, uint64_t bytes);

/* A stage, or a case, has ended: `text` is its event in JSON. It must not borrow anything, and is taken over;
 * it is empty then. Other forms than the service's own leave it out. PE_ERR_INTERNAL without memory: `text`
 * stays the caller's then, and the encoder is as it was. */
int event_encoder_add_run(struct event_encoder *encoder, bool is_case, struct pe_json_pieces *text,
                          struct pe_error *err) PE_MUST_CHECK;

/* The fields of the result are known, and its bytes arrive. Takes a reference. */
void event_encoder_set_result(struct event_encoder *encoder, struct job_result *result,
                              const struct pe_result *fields);

/* The slot was lost: everything starts again. */
void event_encoder_restart(struct event_encoder *encoder, const char *reason);

/* There will be no result. What was printed is sent first. */
void event_encoder_set_problem(struct event_encoder *encoder, const struct pe_problem *problem);

/* ---- the text ---- */

/* Append one event, or as much of it as fits until `out` has about `room` bytes: `in_event` is true if
 * more of it follows. Nothing is appended if nothing has happened, or only what the form of the events leaves
 * out. Sets `ended` behind the last event. */
int event_encoder_next(struct event_encoder *encoder, size_t room, struct pe_error *err) PE_MUST_CHECK;

/* Append events until `out` has about `room` bytes, or until there are none. */
int event_encoder_fill(struct event_encoder *encoder, size_t room, struct pe_error *err) PE_MUST_CHECK;

/* Append something that means nothing, so that proxies keep the connection. Not within an event. */
int event_encoder_append_sign_of_life(struct event_encoder *encoder, struct pe_error *err) PE_MUST_CHECK;

/* Drop the references and free the text; `encoder` is zeroed. */
void event_encoder_free(struct event_encoder *encoder);

/* ---- event_json.c ---- */

/* The service's own form of an event. */
int event_json_write(void *context, const struct event *event, struct pe_buf *out, struct pe_error *err);

/* The name of an event, the member `type`. */
const char *event_json_name(const struct event *event);

/* The event of a part of a result: its name, and the text before and behind its bytes. */
const char *event_json_part_name(const struct pe_part *part);
int event_json_append_part_head(struct pe_buf *out, const struct pe_part *part, bool is_text,
                                struct pe_error *err) PE_MUST_CHECK;
int event_json_append_part_tail(struct pe_buf *out, const struct pe_part *part,
                                struct pe_error *err) PE_MUST_CHECK;

#endif
