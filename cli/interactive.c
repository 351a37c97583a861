/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of an interactive job. It waits for the server, for standard input and for room in the output at
 * the same time, so that none of them holds up another: Ctrl-C works while nobody reads the output. */
#include "cli/interactive.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "cli/http_link.h"
#include "cli/input_pipe.h"
#include "cli/run_message.h"
#include "cli/terminal.h"
#include "net/websocket.h"

#include <poll.h>
#include <stdio.h>

#define CONNECT_PATH "/v1/connect"
#define PING_MS 10000u
#define EVENTS_QUEUED_MAX 16u

struct session {
    const struct http_server *server;
    const struct interactive_job *job;
    struct live_job *live;
    struct http_link link;
    struct pe_websocket *websocket;
    struct input_pipe input;
    struct pe_window window; /* of the terminal, as the server knows it */
    uint64_t begun_us;
    bool is_raw;
    bool is_lost;         /* nothing more arrives; `loss` says why */
    struct pe_error loss; /* only of interest if the job has not ended */
};

static void session_end(struct session *session)
{
    terminal_restore();
    pe_websocket_free(session->websocket);
    http_link_close(&session->link);
    input_pipe_free(&session->input);
}

/* ---- the beginning ---- */

static int send_text(struct session *session, const struct pe_buf *text, struct pe_error *err)
{
    return pe_websocket_queue(session->websocket, true, text->data, text->size, err);
}

static int begin(struct session *session, struct pe_error *err)
{
    static const struct pe_websocket_terms terms = {.peer = "the server",
                                                    .message_max = EVENT_BYTES_MAX,
                                                    .ping_ms = PING_MS,
                                                    .queued_max = EVENTS_QUEUED_MAX};
    const struct interactive_job *job = session->job;
    pe_autobuf struct pe_buf text = {0};
    if (job->has_terminal) {
        terminal_watch_size();
        session->window = terminal_size();
    }
    progress_report(session->server->progress, "connecting to %s", session->server->url);
    if (run_message_write(job->json, job->files, job->has_terminal ? &session->window : NULL, &text, err) <
            0 ||
        http_link_open(&session->link, session->server, CONNECT_PATH, job->id, err) < 0)
        return -1;
    session->websocket = pe_websocket_open(&session->link.connection, &terms, err);
    return session->websocket ? send_text(session, &text, err) : -1;
}

/* Until the program runs, the terminal stays as it is: Ctrl-C ends this program. */
static int on_start(struct session *session, struct pe_error *err)
{
    progress_clear(session->server->progress);
    session->server->progress->is_on = false;
    if (session->live->input_window == 0)
        return pe_fail(err, PE_ERR_MALFORMED, "the server does not say how much input it takes");
    input_pipe_begin(&session->input, session->live->input_window, session->job->has_terminal);
    session->is_raw = session->job->has_terminal;
    return session->is_raw ? terminal_make_raw(err) : 0;
}

/* ---- events ---- */

static int take_message(struct session *session, const struct pe_websocket_message *message,
                        struct pe_error *err)
{
    struct live_job *live = session->live;
    bool had_started = live->has_started;
    if (!message->is_text)
        return pe_fail(err, PE_ERR_MALFORMED, "the server sent a binary message in the place of an event");
    if (live_job_take(live, message->bytes, message->size, err) < 0)
        return -1;
    if (live->has_started && !had_started && !input_pipe_has_begun(&session->input))
        return on_start(session, err);
    return input_pipe_set_taken(&session->input, live->input_taken, err);
}

/* Take the events that have arrived, until one has output that cannot be written at once. */
static int take_messages(struct session *session, struct pe_error *err)
{
    while (!live_job_is_printing(session->live) && !session->live->has_ended) {
        pe_autofree struct pe_websocket_message *message = pe_websocket_next(session->websocket);
        if (!message)
            return 0;
        if (take_message(session, message, err) < 0 || live_job_print(session->live, err) < 0)
            return -1;
    }
    return live_job_print(session->live, err);
}

/* What arrived before the connection ended is still taken. */
static void pump(struct session *session)
{
    if (!session->is_lost && pe_websocket_pump(session->websocket, &session->loss) < 0)
        session->is_lost = true;
}

/* ---- input ---- */

static int send_input(struct session *session, struct pe_error *err)
{
    static const char end[] = "{\"type\":\"eof\"}";
    const uint8_t *bytes = NULL;
    for (size_t size = input_pipe_take(&session->input, &bytes); size;
         size = input_pipe_take(&session->input, &bytes))
        if (pe_websocket_queue(session->websocket, false, bytes, size, err) < 0)
            return -1;
    return input_pipe_take_end(&session->input)
               ? pe_websocket_queue(session->websocket, true, end, sizeof end - 1, err)
               : 0;
}

static int send_size(struct session *session, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    const struct pe_window window = terminal_size();
    if (window.rows == session->window.rows && window.cols == session->window.cols)
        return 0;
    session->window = window;
    if (pe_buf_printf(&text, err, "{\"type\":\"resize\",\"rows\":%u,\"cols\":%u}", window.rows, window.cols) <
        0)
        return -1;
    return send_text(session, &text, err);
}

static int send_all(struct session *session, struct pe_error *err)
{
    if (session->is_lost || session->live->has_ended)
        return 0;
    /* Sizes that change faster than the server reads are left out. */
    bool may_send_size = session->is_raw && !pe_websocket_is_sending(session->websocket);
    if (may_send_size && terminal_has_new_size() && send_size(session, err) < 0)
        return -1;
    return send_input(session, err);
}

/* ---- the loop ---- */

static void report_progress(const struct session *session)
{
    if (!session->live->has_started)
        progress_report(session->server->progress, "waiting %.1f s",
                        (double)(pe_now_us() - session->begun_us) / 1e6);
}

/* poll(2) reports errors of a descriptor even if no event of it is wanted, so it is left out then. */
static struct pollfd wanted(int fd, short events)
{
    return (struct pollfd){.fd = events ? fd : -1, .events = events};
}

static int wait_and_read(struct session *session, struct pe_error *err)
{
    const struct live_job *live = session->live;
    short server = session->is_lost ? 0 : pe_websocket_events(session->websocket);
    struct pollfd fds[] = {wanted(session->link.connection.socket, server),
                           wanted(live->fd, live_job_is_printing(live) ? POLLOUT : 0),
                           wanted(STDIN_FILENO, input_pipe_wants(&session->input) ? POLLIN : 0)};
    if (poll(fds, 3, HTTP_ATTEND_EVERY_MS) > 0 && fds[2].revents)
        input_pipe_read(&session->input);
    return http_server_attend(session->server, err);
}

static bool has_ended(const struct session *session)
{
    if (live_job_is_printing(session->live))
        return false;
    return session->live->has_ended || (session->is_lost && !pe_websocket_has_message(session->websocket));
}

static int run(struct session *session, struct pe_error *err)
{
    for (;;) {
        pump(session);
        if (take_messages(session, err) < 0)
            return -1;
        if (has_ended(session))
            break;
        report_progress(session);
        if (send_all(session, err) < 0 || wait_and_read(session, err) < 0)
            return -1;
    }
    if (session->live->has_ended)
        return 0;
    *err = session->loss;
    return -1;
}

int interactive_run(const struct http_server *server, const struct interactive_job *job,
                    struct live_job *live, struct pe_error *err)
{
    __attribute__((cleanup(session_end))) struct session session = {
        .server = server, .job = job, .live = live, .begun_us = pe_now_us()};
    return begin(&session, err) < 0 ? -1 : run(&session, err);
}
