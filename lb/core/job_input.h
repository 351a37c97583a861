/* SPDX-License-Identifier: Apache-2.0 */
/* What a client does with a program that runs: it types, ends its input, changes the size of its window and
 * sends signals. It is collected here until the slot of the job sends it to the worker. At most
 * PE_LIVE_WINDOW bytes are here and under way together, so nobody can type more than the program takes.
 * Of the sizes of a window, only the last one counts, and of equal signals one; both are sent at most
 * every JOB_INPUT_PACE_MS. */
#ifndef PE_LB_CORE_JOB_INPUT_H
#define PE_LB_CORE_JOB_INPUT_H

#include "base/buffer.h"
#include "base/error.h"
#include "lb/core/loop.h"
#include "proto/slot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JOB_INPUT_PACE_MS = 20 };

struct job_waiter;

/* Owned by the waiter of its job (lb/core/job.h). */
struct job_input {
    struct pe_live_input live; /* set by the owner before the job begins; its window is that at the start */
    struct loop *loop;
    struct job_waiter *waiter;
    struct pe_buf typed; /* bytes that the program has not taken */
    size_t under_way;    /* the first of them, which were sent to the slot */
    bool is_ended;       /* no more bytes will come */
    bool end_was_sent;   /* to the slot */
    bool is_resized;     /* `window` was not sent yet */
    struct pe_window window;
    uint64_t signals;      /* bits of those that were not sent yet */
    uint64_t signals_sent; /* and of those that were, since the job was sent */
    bool is_resize_due;    /* the window may be sent now: it was collected before the pause, */
    uint64_t signals_due;  /* and so were these signals */
    bool is_pacing;        /* windows and signals that come now wait for `pace` */
    bool is_serving;       /* `serve` runs */
    struct loop_timer serve, pace;
};

/* Begin without a terminal. `loop` and `waiter` must outlive the input. */
void job_input_begin(struct job_input *input, struct loop *loop, struct job_waiter *waiter);

/* Bytes for the program's standard input. PE_ERR_TOO_LARGE if the window does not allow them, and
 * PE_ERR_INVALID behind the end of the input. */
int job_input_type(struct job_input *input, const void *bytes, size_t size,
                   struct pe_error *err) PE_MUST_CHECK;

/* The end of standard input. */
void job_input_end(struct job_input *input);

/* The window has another size. Ignored without a terminal. */
void job_input_resize(struct job_input *input, struct pe_window window);

/* Send the program a signal, one that pe_live_signal_is_allowed(). */
void job_input_signal(struct job_input *input, int signal);

/* Stop the timers and free what is left. */
void job_input_free(struct job_input *input);

/* ---- for the slot of the job (lb/workers/slot_conn.c) ---- */

/* How the job starts: with the window as it is now. */
const struct pe_live_input *job_input_at_start(struct job_input *input);

/* The next message for the worker. Fills in its kind and the members of that kind; for PE_MESSAGE_INPUT,
 * `bytes` is what follows it, and valid until job_input_sent(). Returns false if there is nothing to
 * send now. */
bool job_input_next(struct job_input *input, struct pe_message *message, struct pe_cursor *bytes);

/* The message was queued. */
void job_input_sent(struct job_input *input, const struct pe_message *message);

/* The slot has given the job back before it began. Everything is sent again, to the next slot. */
void job_input_rewind(struct job_input *input);

/* The program has taken bytes. PE_ERR_MALFORMED if more than were under way. */
int job_input_taken(struct job_input *input, size_t bytes, struct pe_error *err) PE_MUST_CHECK;

#endif
