/* SPDX-License-Identifier: Apache-2.0 */
/* Between the balancer and the guest of a live job (proto/slot-protocol.md): output, input, window sizes and
 * signals. Nothing here waits. If the balancer does not read, output stays in the guest; if the program does
 * not read, input stays here, up to the window. A guest that lies gets no live data any more, but runs on. */
#ifndef PE_WORKER_LIVE_RELAY_H
#define PE_WORKER_LIVE_RELAY_H

#include "base/error.h"
#include "proto/live_ring.h"
#include "proto/slot.h"
#include "worker/job/machine.h"
#include "worker/ws_client.h"

#include <stdbool.h>
#include <stdint.h>

struct live_relay {
    struct ws_client *balancer;   /* borrowed */
    struct machine *machine;      /* borrowed */
    const struct pe_message *job; /* borrowed: the `job` message */
    struct pe_live_end end;
    bool started; /* the guest has been told to start */
    bool open;    /* `end` is in use */
    bool broken;  /* it has lied */

    /* From the balancer, and not in the ring yet. */
    bool watch, eof;
    struct pe_window window; /* rows 0: none */
    uint64_t signals;        /* a bit for each */
    struct pe_window shown;  /* the last one that is in the ring; rows 0: none */
    uint64_t signaled;       /* the signals that are */
    uint8_t *waiting;        /* owned; PE_LIVE_WINDOW bytes of input, or NULL */
    size_t waiting_size;
    uint32_t announced; /* bytes of input that the next message has */

    bool watched, ended;          /* `watch` and `eof` have arrived */
    uint64_t arrived, put, taken; /* bytes of input: from the balancer, in the ring, and reported to it */
    uint64_t streamed[2];         /* bytes of stdout and stderr that were taken from the ring */
    struct pe_buf output;         /* to be sent in one message */
    struct pe_parts parts;        /* what it is */

    uint64_t listen_us; /* when to look at the serial port again */
    uint64_t ring_us;   /* when to ring the guest's doorbell; 0: there is no news */
    uint64_t rang_us;   /* when it was rung last */
};

/* Begin, when the job has arrived. All are borrowed. The caller frees the relay. */
void live_relay_begin(struct live_relay *relay, struct ws_client *balancer, struct machine *machine,
                      const struct pe_message *job);

/* Free the buffers. */
void live_relay_free(struct live_relay *relay);

/* Handle a message of the balancer for this job, other than `cancel`. PE_ERR_MALFORMED if it breaks the
 * protocol. */
int live_relay_on_message(struct live_relay *relay, const struct pe_message *message,
                          struct pe_error *err) PE_MUST_CHECK;

/* Handle the bytes of an `input`. Fails as live_relay_on_message does. */
int live_relay_on_bytes(struct live_relay *relay, const void *bytes, size_t size,
                        struct pe_error *err) PE_MUST_CHECK;

/* The guest has been told to start: from now on its live device can be used. */
void live_relay_start(struct live_relay *relay);

/* The VM was lost just after its start. Returns whether another one can have all that was sent to it, and
 * prepares for live_relay_start. */
bool live_relay_restart(struct live_relay *relay);

/* Whether to read from the serial port now. After a doorbell there is a pause, so that a guest that rings
 * without end does not keep the slot busy. */
bool live_relay_listens(const struct live_relay *relay);

/* The guest rang its doorbell. */
void live_relay_on_doorbell(struct live_relay *relay);

/* Move everything that can be moved. Costs nothing if the job is not live. Fails as ws_client_queue does, and
 * with PE_ERR_INTERNAL without memory. */
int live_relay_pump(struct live_relay *relay, struct pe_error *err) PE_MUST_CHECK;

/* When live_relay_pump has to be called; 0: not because of the time. */
uint64_t live_relay_deadline(const struct live_relay *relay);

#endif
