/* SPDX-License-Identifier: Apache-2.0 */
/* Response bodies that are made in pieces, as fast as the client reads: the catalog, the list of
 * workers, metrics, files. Each reader holds one piece, which counts as memory of results. A reader
 * that began first is cut off when there is too much of it (lb/core/byte_budget.h). The bodies of
 * results are made in exchange_response.c, which shares the bound of what is made at a time. */
#ifndef PE_LB_API_BODY_STREAM_H
#define PE_LB_API_BODY_STREAM_H

#include "base/buffer.h"
#include "base/error.h"
#include "lb/core/byte_budget.h"
#include "lb/edge/h2o.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What all bodies share that are made in pieces. */
struct body_streams {
    h2o_context_t *ctx;
    struct byte_budget *budget;
    h2o_timeout_t pause; /* until the next iteration of the loop */
    uint64_t burst_ms;   /* the iteration, by its time, in which pieces were made last */
    size_t burst_bytes;  /* of the pieces that were made in it */
};

/* `ctx` and `budget` must outlive `streams`, which must stay where it is. */
void body_streams_init(struct body_streams *streams, h2o_context_t *ctx, struct byte_budget *budget);

/* Whether enough was made in this iteration of the loop. A client that reads fast would hold the loop
 * otherwise: libh2o asks for the next piece as long as the socket takes them. Then `entry`, whose
 * callback is set, runs in the next iteration. */
bool body_streams_must_pause(struct body_streams *streams, h2o_timeout_entry_t *entry);

/* A piece of so many bytes was made. */
void body_streams_note(struct body_streams *streams, size_t bytes);

/* How a body is made. */
struct body_source {
    /* Append the next bytes of the body to `out`, until it has about `room` bytes, and set `ended`
     * when they are the last ones. May append less, or nothing, if the search for them took long;
     * it is called again in the next iteration of the loop. Objects that `state` points to must
     * outlive all requests; others may change between two calls. Returns 0, or -1 with `err`, which
     * ends the body as body_stream_send says. */
    int (*append)(void *state, struct pe_buf *out, size_t room, bool *ended, struct pe_error *err);
    /* Free what `state` owns, not `state` itself. NULL: nothing. */
    void (*release)(void *state);
};

/* Send a response with the status 200. `state` has `state_size` bytes and is copied; `type` is a media
 * type and outlives the request. Headers that were added before are kept. If the first piece cannot be made,
 * the reply is the problem; later, the response is broken off. */
void body_stream_send(struct body_streams *streams, h2o_req_t *req, const char *type,
                      const struct body_source *source, const void *state, size_t state_size);

/* Send bytes that outlive all requests, in the same way. */
void body_stream_send_constant(struct body_streams *streams, h2o_req_t *req, const char *type,
                               const void *bytes, size_t size);

#endif
