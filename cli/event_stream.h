/* SPDX-License-Identifier: Apache-2.0 */
/* The events of a job as the body of a reply: application/x-ndjson, one JSON object in each line. */
#ifndef PE_CLI_EVENT_STREAM_H
#define PE_CLI_EVENT_STREAM_H

#include "base/buffer.h"
#include "base/error.h"
#include "cli/http_server.h"
#include "cli/live_job.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What POST /v1/run is asked for: events, or from a server of an older version a form. */
#define EVENT_STREAM_TYPE "application/x-ndjson"
#define EVENT_STREAM_ACCEPT EVENT_STREAM_TYPE ", multipart/form-data;q=0.5"

struct event_stream {
    const struct http_server *server; /* the caller's */
    struct live_job *job;             /* takes the events; the caller's */
    bool has_begun;                   /* the reply is a stream of events, and not another one */
    uint64_t heard_us;                /* when the last bytes arrived */
    struct pe_buf line;               /* the beginning of a line whose end is missing; owned */
    size_t searched;                  /* so many bytes of it have no end of line */
};

/* Prepare. The caller frees `stream` with event_stream_free. */
void event_stream_init(struct event_stream *stream, const struct http_server *server, struct live_job *job);

/* Take bytes of the body: every complete line is an event, whose output is printed before the next one is
 * taken. This waits as long as nobody reads the output. Errors of live_job_take and live_job_print, of
 * http_server_attend, and PE_ERR_MALFORMED for a line of more than EVENT_BYTES_MAX bytes. */
int event_stream_feed(struct event_stream *stream, const void *bytes, size_t size,
                      struct pe_error *err) PE_MUST_CHECK;

/* PE_ERR_LOST if a server that sends something every 10 s at least has been silent for a minute. */
int event_stream_check(const struct event_stream *stream, struct pe_error *err) PE_MUST_CHECK;

/* Free what `stream` owns. */
void event_stream_free(struct event_stream *stream);
#define autoeventstream __attribute__((cleanup(event_stream_free)))

#endif
