/* SPDX-License-Identifier: Apache-2.0 */
/* Splitting the body into lines. */
#include "cli/event_stream.h"

#include "base/io.h"

#include <poll.h>
#include <string.h>

#define SILENCE_US 60000000u

void event_stream_init(struct event_stream *stream, const struct http_server *server, struct live_job *job)
{
    *stream = (struct event_stream){.server = server, .job = job, .line = {.limit = EVENT_BYTES_MAX}};
}

void event_stream_free(struct event_stream *stream)
{
    pe_buf_free(&stream->line);
}

/* The job's output goes to somebody who may read it slowly, and this program must still notice signals. */
static int print(struct event_stream *stream, struct pe_error *err)
{
    struct live_job *job = stream->job;
    for (;;) {
        if (live_job_print(job, err) < 0)
            return -1;
        if (!live_job_is_printing(job))
            return 0;
        struct pollfd out = {.fd = job->fd, .events = POLLOUT};
        poll(&out, 1, HTTP_ATTEND_EVERY_MS);
        if (http_server_attend(stream->server, err) < 0)
            return -1;
    }
}

/* Empty lines show that the connection is alive. */
static int take_line(struct event_stream *stream, const uint8_t *line, size_t size, struct pe_error *err)
{
    if (size && line[size - 1] == '\r')
        size--;
    if (!size)
        return 0;
    return live_job_take(stream->job, line, size, err) < 0 ? -1 : print(stream, err);
}

static int take_lines(struct event_stream *stream, struct pe_error *err)
{
    struct pe_buf *line = &stream->line;
    size_t start = 0;
    const uint8_t *end = NULL;
    while ((end = memchr(line->data + stream->searched, '\n', line->size - stream->searched))) {
        size_t at = (size_t)(end - line->data);
        if (take_line(stream, line->data + start, at - start, err) < 0)
            return -1;
        start = stream->searched = at + 1;
    }
    pe_buf_consume(line, start);
    stream->searched = line->size;
    return 0;
}

int event_stream_feed(struct event_stream *stream, const void *bytes, size_t size, struct pe_error *err)
{
    stream->has_begun = true;
    if (pe_buf_append(&stream->line, bytes, size, err) < 0) {
        err->kind = PE_ERR_MALFORMED;
        return pe_fail_context(err, "the server sent an event that is too large");
    }
    int failed = size ? take_lines(stream, err) : 0;
    stream->heard_us = pe_now_us();
    return failed;
}

int event_stream_check(const struct event_stream *stream, struct pe_error *err)
{
    if (!stream->has_begun || pe_now_us() - stream->heard_us < SILENCE_US)
        return 0;
    return pe_fail(err, PE_ERR_LOST, "the connection to %s is lost: the server fell silent",
                   stream->server->url);
}
