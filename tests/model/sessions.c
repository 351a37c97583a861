/* SPDX-License-Identifier: Apache-2.0 */
/* What a client of an interactive job sends, and when its connection may end. */
#include "tests/model/sessions.h"

#include "base/cleanup.h"
#include "tests/model/balancer.h"
#include "tests/model/book.h"
#include "tests/model/choices.h"
#include "tests/model/clients.h"
#include "tests/model/clock.h"
#include "tests/model/connects.h"
#include "tests/model/judge.h"

#include <string.h>

#define FIRST_MESSAGE_US 10000000u
#define PISTON_INIT_US 1000000u
#define STALL_US 60000000u    /* how long a client may read nothing behind the end */
#define AMPLE_BYTES 16777216u /* with so much memory for results, nobody is cut off */

static struct session *from_peer(struct peer *peer)
{
    return pe_list_entry(peer, struct session, peer);
}

/* ---- the connection ---- */

static void on_sent(struct peer *peer, bool is_text, const uint8_t *bytes, size_t size)
{
    struct session *session = from_peer(peer);
    EXPECT(is_text, "session %u is sent %zu bytes", session->request->number, size);
    book_sync();
    session->active_us = session->sent_us = clock_us;
    if (session->is_piston)
        piston_session_read(session->request, bytes, size);
    else
        events_read_message(session->request, bytes, size);
}

/* A reader may be cut off when there is too little memory for results, or when it takes nothing. */
static void on_closing(struct peer *peer)
{
    struct session *session = from_peer(peer);
    struct request *request = session->request;
    uint64_t silent_us = clock_us - request->arrived_us;
    book_sync();
    bool is_late = !session->has_run && silent_us >= FIRST_MESSAGE_US;
    bool is_stalled = clock_us - session->sent_us >= STALL_US;
    bool is_cut_off = !request_group(request) && (is_stalled || options.results_bytes < AMPLE_BYTES);
    session->is_closing = true;
    if (session->is_piston && peer->close_code)
        piston_session_check_close(request, peer->close_code);
    else
        EXPECT(request->watcher->has_ended || is_late || is_cut_off, "session %u is closed for no reason",
               request->number);
    if (!request_group(request)) /* perhaps it has waited for workers */
        request->was_let_in = session->is_counted = false;
}

static void on_end(struct peer *peer)
{
    struct request *request = from_peer(peer)->request;
    TRACE("session %u ends", request->number);
    request->hung_up |= !request->session->is_closing;
}

static void on_gone(struct peer *peer)
{
    struct session *session = from_peer(peer);
    session->live = NULL;
    request_end(session->request);
}

void session_open(void)
{
    struct request *request = request_make();
    if (!request)
        return;
    struct session *session = calloc(1, sizeof *session);
    if (!session)
        abort();
    *session = (struct session){.request = request,
                                .active_us = clock_us,
                                .sent_us = clock_us,
                                .is_piston = options.dialects && chance(40)};
    session->peer =
        (struct peer){.on_sent = on_sent, .on_closing = on_closing, .on_end = on_end, .on_gone = on_gone};
    request->session = session;
    request->client = choose(CLIENTS);
    request->req.version = 0x101;
    request->since_us = 0;
    request->caching = CACHING_NONE;
    request->watcher = watcher_make(EVENT_FRAMING_MESSAGE);
    TRACE("client %u opens session %u", request->client, request->number);
    peer_open_session(&session->peer, &request->req, session->is_piston);
    session->live = H2O_STRUCT_FROM_MEMBER(struct live_session, ws, session->peer.ws);
}

/* ---- its job ---- */

static void choose_job(struct request *request)
{
    request->work = (struct work){.image = choose(IMAGES), .payload = choose(PAYLOADS)};
    request->demand = (struct pe_isolation_set){0};
    request->is_malformed = chance(3);
    request->session->is_tty = chance(50);
    request->session->window = (struct pe_window){.rows = 24, .cols = 80};
}

static void append_job(const struct request *request, struct pe_buf *text)
{
    struct pe_error err;
    const struct work *work = &request->work;
    pe_autofree char *file = calloc(1, client_file_size(work->payload) + 1);
    for (size_t i = 0; file && i < client_file_size(work->payload); i++)
        file[i] = (char)client_file_byte(work->payload, i);
    if (pe_buf_printf(text, &err,
                      "{\"type\":\"run\",\"job\":{\"image\":\"%s\",\"cmd\":[\"payload-%u\"],"
                      "\"timeout_ms\":1000%s,\"files\":{\"in\":\"%s\"}}%s%s",
                      name_of_image(work->image), work->payload, client_limits_text(*work), file ? file : "",
                      request->session->is_tty ? ",\"tty\":{\"rows\":24,\"cols\":80}" : "",
                      request->is_malformed ? "" : "}") < 0)
        abort();
}

static void run_job(struct request *request)
{
    pe_autobuf struct pe_buf text = {0};
    struct session *session = request->session;
    choose_job(request);
    append_job(request, &text);
    TRACE("session %u runs: image %u, payload %u%s%s", request->number, request->work.image,
          request->work.payload, session->is_tty ? ", in a terminal" : "",
          request->is_malformed ? ", malformed" : "");
    book_sync();
    session->has_run = true;
    session->expected = request->is_malformed ? "malformed-request" : NULL;
    request->wait_us = options.queue_wait_us;
    request->since_us = clock_us;
    judge_arrival(request);
    peer_say(&session->peer, true, text.data, text.size);
    book_sync();
    judge_accepted(request);
    session->expected = NULL;
}

/* ---- while it waits or runs ---- */

static void say(struct request *request, const char *text)
{
    struct session *session = request->session;
    session->active_us = clock_us;
    TRACE("session %u says %s", request->number, text);
    peer_say(&session->peer, true, text, strlen(text));
}

/* Say what ends the session with a problem of this type. */
static void say_fault(struct request *request, const char *text, const char *problem)
{
    struct session *session = request->session;
    bool had_ended = request->watcher->has_problem || !request->was_let_in;
    session->expected = problem;
    say(request, text);
    EXPECT(had_ended || request->watcher->has_problem, "session %u goes on", request->number);
    session->expected = NULL;
}

uint8_t session_byte(const struct request *request, size_t at)
{
    return (uint8_t)('A' + (request->number + at / 3 + at) % 26);
}

static void type(struct request *request, size_t size)
{
    struct session *session = request->session;
    pe_autofree uint8_t *bytes = malloc(size ? size : 1);
    const struct run *run = request_group(request) ? request_group(request)->run : NULL;
    size_t taken = run ? run->input_taken : 0;
    bool is_too_much = session->typed - taken + size > PE_LIVE_WINDOW;
    if (!bytes)
        abort();
    for (size_t i = 0; i < size; i++)
        bytes[i] = session_byte(request, session->typed + i);
    TRACE("session %u types %zu bytes", request->number, size);
    session->active_us = clock_us;
    session->expected = session->is_ended ? "invalid-job" : is_too_much ? "input-overflow" : NULL;
    session->typed += session->expected ? 0 : size;
    bool must_fail = session->expected && request->was_let_in && !request->watcher->has_problem;
    peer_say(&session->peer, false, bytes, size);
    EXPECT(!must_fail || request->watcher->has_problem, "session %u goes on", request->number);
    session->expected = NULL;
}

/* A client that keeps to the window, or does not. */
static void type_some(struct request *request)
{
    const struct session *session = request->session;
    size_t used = session->typed - session->told; /* more than the window if it has not read what was taken */
    size_t room = used < PE_LIVE_WINDOW ? PE_LIVE_WINDOW - used : 0;
    size_t size = chance(20) ? room : chance(30) ? room * choose(256) / 256 : choose(20);
    if (session->is_ended && !chance(5))
        return;
    type(request, chance(2) ? PE_LIVE_WINDOW + 1 - choose(2) : size < room ? size : room);
}

static void say_eof(struct request *request)
{
    request->session->is_ended = true;
    say(request, "{\"type\":\"eof\"}");
}

static void say_resize(struct request *request)
{
    struct session *session = request->session;
    char text[80];
    const struct pe_window window = {.rows = (uint16_t)(1 + choose(100)),
                                     .cols = (uint16_t)(1 + choose(200))};
    if (session->is_tty) {
        session->window = window;
        session->is_resized = session->was_resized = true;
    }
    snprintf(text, sizeof text, "{\"type\":\"resize\",\"rows\":%u,\"cols\":%u}", window.rows, window.cols);
    say(request, text);
}

static void say_signal(struct request *request)
{
    static const char *const names[] = {"INT", "TERM", "WINCH"};
    const char *name = names[choose(3)];
    char text[80];
    request->session->signals |= UINT64_C(1) << pe_live_signal_number(name);
    snprintf(text, sizeof text, "{\"type\":\"signal\",\"signal\":\"%s\"}", name);
    say(request, text);
}

static void say_nonsense(struct request *request)
{
    static const char *const texts[] = {"{\"type\":\"run\",\"job\":{\"image\":\"x\"}}",
                                        "{\"type\":\"eof\",\"bytes\":1}",
                                        "{\"type\":\"resize\",\"rows\":0,\"cols\":5}",
                                        "{\"type\":\"signal\",\"signal\":\"SEGV\"}",
                                        "{\"type\":\"stdin\"}",
                                        "[",
                                        ""};
    say_fault(request, texts[choose(7)], "malformed-request");
}

static void begin(struct request *request)
{
    if (chance(95)) {
        run_job(request);
        return;
    }
    request->session->has_run = true;
    say_fault(request, "{\"type\":\"eof\"}", "malformed-request");
    EXPECT(request->watcher->has_problem, "session %u goes on", request->number);
}

void session_act(struct request *request)
{
    struct session *session = request->session;
    unsigned what = choose(100);
    if (session->is_piston)
        piston_session_act(request);
    else if (!peer_is_heard(&session->peer))
        session_hang_up(request);
    else if (!session->has_run)
        begin(request);
    else if (what < 60)
        type_some(request);
    else if (what < 68)
        say_eof(request);
    else if (what < 83)
        say_resize(request);
    else if (what < 98)
        say_signal(request);
    else
        say_nonsense(request);
}

void session_read(struct request *request)
{
    free(peer_read(&request->session->peer));
}

void session_hang_up(struct request *request)
{
    peer_end(&request->session->peer);
}

/* ---- limits ---- */

size_t sessions_max(void)
{
    size_t half = balancer.scheduler.slot_count / 2;
    return options.session_jobs ? options.session_jobs : half ? half : 1;
}

size_t sessions_counted(void)
{
    size_t count = 0;
    for (unsigned i = 0; i < REQUESTS && requests[i]; i++)
        count += requests[i]->session && requests[i]->session->is_counted;
    return count;
}

/* ---- at rest ---- */

uint64_t session_active_us(const struct request *request)
{
    const struct group *group = request->last_groups[0];
    uint64_t active_us = request->session->active_us;
    active_us = group->printed_us > active_us ? group->printed_us : active_us;
    return group->started_us > active_us ? group->started_us : active_us;
}

static void check_idle(const struct request *request)
{
    uint64_t idle_us = clock_us - session_active_us(request);
    EXPECT(request_group(request)->state != GROUP_RUNNING || idle_us <= options.idle_us + PRECISION_US,
           "session %u is idle for %llu ms", request->number, (unsigned long long)idle_us / 1000);
}

void session_check_rest(const struct request *request)
{
    const struct session *session = request->session;
    uint64_t silent_us = session->is_piston ? PISTON_INIT_US : FIRST_MESSAGE_US;
    EXPECT(session->has_run || !peer_is_heard(&session->peer) ||
               clock_us - request->arrived_us <= silent_us + PRECISION_US,
           "session %u may be silent for too long", request->number);
    if (request_group(request))
        check_idle(request);
    if (!session->has_run || !peer_is_heard(&session->peer) || session->peer.ws->read)
        return; /* it has nothing to read, or does not read */
    const struct run *run = request_group(request) ? request_group(request)->run : NULL;
    EXPECT(request_group(request) || request->watcher->has_ended || balancer.exchanges.gathering ||
               clock_us - balancer.gathered_us <= PRECISION_US,
           "session %u waits for nothing", request->number);
    if (!run)
        return;
    EXPECT(request->watcher->is_started, "session %u is not told that its program has started",
           request->number);
    if (session->is_piston) {
        piston_session_check_sent(request, run);
        return;
    }
    EXPECT(session->told == run->input_taken, "session %u is told that %zu bytes were taken of %zu",
           request->number, session->told, run->input_taken);
    events_check_output(request, run);
}
