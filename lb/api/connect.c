/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of a client on GET /v1/connect. */
#include "lb/api/connect.h"

#include "codec/json_reader.h"
#include "lb/api/connect_message.h"
#include "lb/edge/cors.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"

/* ---- messages ---- */

static void fail_malformed(struct live_session *session, const char *what)
{
    struct pe_problem problem = problem_make("malformed-request", "%s", what);
    live_session_fail(session, &problem);
}

static void on_run(struct live_session *session, const struct connect_message *message)
{
    struct pe_error err;
    session->input.live = message->input;
    if (submission_parse_json_unbounded(message->job.at, message->job.left, &session->submission, &err) < 0)
        live_session_fail_error(session, &err);
    else
        live_session_run(session, session->submission.spec.has_timeout);
}

static void on_later_message(struct live_session *session, const struct connect_message *message)
{
    live_session_note_input(session);
    switch (message->kind) {
    case CONNECT_RUN:
        fail_malformed(session, "a connection runs one job, and this is the second message 'run'");
        break;
    case CONNECT_STDIN:
        live_session_type(session, message->bytes, message->size);
        break;
    case CONNECT_EOF:
        job_input_end(&session->input);
        break;
    case CONNECT_RESIZE:
        job_input_resize(&session->input, message->window);
        break;
    case CONNECT_SIGNAL:
        job_input_signal(&session->input, message->signal);
        break;
    }
}

static void on_text(struct live_session *session, const uint8_t *text, size_t size)
{
    struct pe_error err;
    connect_automessage struct connect_message message;
    if (connect_message_read(text, size, &message, &err) < 0)
        fail_malformed(session, err.message);
    else if (session->phase != LIVE_SILENT)
        on_later_message(session, &message);
    else if (message.kind == CONNECT_RUN)
        on_run(session, &message);
    else
        fail_malformed(session, "the first message must be 'run'");
}

static void on_bytes(struct live_session *session, const uint8_t *bytes, size_t size)
{
    if (session->phase == LIVE_SILENT)
        fail_malformed(session, "the first message must be 'run', and not binary");
    else
        live_session_type(session, bytes, size);
}

void api_connect(struct live_sessions *sessions, const struct pe_option_list *cors_origins, h2o_req_t *req)
{
    static const struct live_dialect dialect = {
        .session_size = sizeof(struct live_session), .on_text = on_text, .on_bytes = on_bytes};
    const char *client_key = NULL;
    struct client_identity who;
    if (!cors_may_connect(cors_origins, req)) {
        struct pe_problem problem = problem_make(
            "forbidden", "pages of this origin may not use the service; pe-lb --cors-origin allows them");
        http_reply_problem(req, &problem);
        return;
    }
    struct pe_problem refusal = access_identify(sessions->exchanges->access, req, &who);
    if (refusal.status)
        http_reply_problem(req, &refusal);
    else if (ws_server_check_handshake(&sessions->ws, req, &client_key))
        live_session_open(sessions, &dialect, &who, req, client_key);
}
