/* SPDX-License-Identifier: Apache-2.0 */
/* One piece is with libh2o, or none. The next one is made when the client has taken it. What is in a
 * body is the part of its source. */
#include "lb/api/body_stream.h"

#include "base/log.h"
#include "lb/edge/connection.h"
#include "lb/edge/http_reply.h"

#include <string.h>

enum {
    PIECE_SIZE = 128 * 1024, /* bytes that are handed to libh2o at a time */
    ITERATION_MAX = 1 << 20, /* bytes that are made in one iteration of the loop */
    PAUSE_MS = 1,            /* libh2o runs a timer of 0 ms that is set by such a timer without a pause */
};

/* It lives in the memory pool of its request. */
struct body_stream {
    struct body_streams *streams;
    h2o_req_t *req;
    const struct body_source *source;
    h2o_generator_t generator;
    h2o_timeout_entry_t pause_entry;
    struct budget_reader reader;
    struct pe_buf piece; /* that libh2o holds */
    const char *type;    /* media type */
    bool started;
    _Alignas(max_align_t) uint8_t state[]; /* of the source */
};

/* ---- the bound of an iteration ---- */

void body_streams_init(struct body_streams *streams, h2o_context_t *ctx, struct byte_budget *budget)
{
    *streams = (struct body_streams){.ctx = ctx, .budget = budget};
    h2o_timeout_init(ctx->loop, &streams->pause, PAUSE_MS);
}

bool body_streams_must_pause(struct body_streams *streams, h2o_timeout_entry_t *entry)
{
    uint64_t now_ms = h2o_now(streams->ctx->loop); /* changes only between iterations */
    if (streams->burst_ms != now_ms) {
        streams->burst_ms = now_ms;
        streams->burst_bytes = 0;
    }
    if (streams->burst_bytes < ITERATION_MAX)
        return false;
    h2o_timeout_link(streams->ctx->loop, &streams->pause, entry);
    return true;
}

void body_streams_note(struct body_streams *streams, size_t bytes)
{
    streams->burst_bytes += bytes;
}

/* ---- one body ---- */

static size_t cut_off(struct budget_reader *reader)
{
    const struct body_stream *stream = pe_list_entry(reader, struct body_stream, reader);
    pe_log(PE_LOG_WARN, "responses use too much memory: a slow reader of %.*s is cut off",
           (int)(stream->req->path_normalized.len < 64 ? stream->req->path_normalized.len : 64),
           stream->req->path_normalized.base);
    connection_shut_down(stream->req);
    return 0;
}

/* The request of libh2o ends, for any reason. */
static void on_dispose(void *memory)
{
    struct body_stream *stream = memory;
    h2o_timeout_unlink(&stream->pause_entry);
    byte_budget_remove(stream->streams->budget, &stream->reader);
    pe_buf_free(&stream->piece);
    if (stream->source->release)
        stream->source->release(stream->state);
}

static void start_response(struct body_stream *stream, bool ended)
{
    h2o_req_t *req = stream->req;
    stream->started = true;
    req->res.status = 200;
    req->res.reason = "OK";
    http_reply_header(req, "content-type", stream->type);
    if (ended)
        req->res.content_length = stream->piece.size;
    byte_budget_add(stream->streams->budget, &stream->reader, cut_off);
    h2o_start_response(req, &stream->generator);
}

static void fail(struct body_stream *stream, const struct pe_error *err)
{
    pe_log(PE_LOG_ERROR, "%s", err->message);
    if (stream->started)
        h2o_send(stream->req, NULL, 0, H2O_SEND_STATE_ERROR);
    else
        http_reply_error(stream->req, err);
}

/* Make the next piece and hand it to libh2o. The stream may end inside the call. */
static void send_piece(struct body_stream *stream)
{
    struct body_streams *streams = stream->streams;
    struct pe_error err;
    bool ended = false;
    if (body_streams_must_pause(streams, &stream->pause_entry))
        return;
    stream->piece.size = 0;
    if (stream->source->append(stream->state, &stream->piece, PIECE_SIZE, &ended, &err) < 0) {
        fail(stream, &err);
        return;
    }
    if (!stream->piece.size && !ended) {
        h2o_timeout_link(streams->ctx->loop, &streams->pause, &stream->pause_entry);
        return;
    }
    if (!stream->started)
        start_response(stream, ended);
    body_streams_note(streams, stream->piece.size);
    byte_budget_hold(streams->budget, &stream->reader, stream->piece.capacity);
    byte_budget_enforce(streams->budget);
    connection_response_begin(stream->req);
    h2o_iovec_t piece = h2o_iovec_init(stream->piece.data, stream->piece.size);
    h2o_send(stream->req, &piece, piece.len ? 1 : 0,
             ended ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

static void on_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
    struct body_stream *stream = H2O_STRUCT_FROM_MEMBER(struct body_stream, generator, generator);
    connection_response_wait(req);
    send_piece(stream);
}

static void on_pause_over(h2o_timeout_entry_t *entry)
{
    send_piece(H2O_STRUCT_FROM_MEMBER(struct body_stream, pause_entry, entry));
}

void body_stream_send(struct body_streams *streams, h2o_req_t *req, const char *type,
                      const struct body_source *source, const void *state, size_t state_size)
{
    struct body_stream *stream = h2o_mem_alloc_shared(&req->pool, sizeof *stream + state_size, on_dispose);
    *stream = (struct body_stream){.streams = streams,
                                   .req = req,
                                   .source = source,
                                   .type = type,
                                   .generator = {.proceed = on_proceed},
                                   .pause_entry = {.cb = on_pause_over}};
    memcpy(stream->state, state, state_size);
    if (!h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"))) {
        send_piece(stream);
        return;
    }
    start_response(stream, false);
    h2o_send(req, NULL, 0, H2O_SEND_STATE_FINAL);
}

/* ---- constant bytes ---- */

static int append_constant(void *state, struct pe_buf *out, size_t room, bool *ended, struct pe_error *err)
{
    struct pe_cursor *left = state;
    size_t size = left->left < room ? left->left : room;
    *ended = size == left->left;
    return pe_buf_append(out, pe_cursor_read(left, size), size, err);
}

void body_stream_send_constant(struct body_streams *streams, h2o_req_t *req, const char *type,
                               const void *bytes, size_t size)
{
    static const struct body_source source = {.append = append_constant};
    const struct pe_cursor left = {.at = bytes, .left = size};
    req->res.content_length = size;
    body_stream_send(streams, req, type, &source, &left, sizeof left);
}
