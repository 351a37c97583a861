/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of libh2o and of lb/edge that lb/api calls for a request. */
#include "tests/model/http_edge.h"

#include "tests/model/balancer.h"
#include "tests/model/book.h"
#include "tests/model/choices.h"
#include "tests/model/clock.h"
#include "tests/model/deletions.h"
#include "tests/model/dialects.h"
#include "tests/model/judge.h"
#include "tests/model/questions.h"

#include <string.h>

#define STALL_US 60000000u /* how long a client may take nothing of its response */

struct request *requests[REQUESTS];
static unsigned numbers; /* of the requests of this run */

static struct request *from_req(const h2o_req_t *req)
{
    return H2O_STRUCT_FROM_MEMBER(struct request, req, req);
}

/* ---- requests ---- */

void requests_reset(void)
{
    numbers = 0;
}

struct request *request_make(void)
{
    unsigned at = 0;
    while (at < REQUESTS && requests[at])
        at++;
    if (at == REQUESTS)
        return NULL;
    struct request *request = calloc(1, sizeof *request);
    if (!request)
        abort();
    h2o_mem_init_pool(&request->req.pool);
    request->req.version = chance(options.http2) ? 0x200 : 0x101;
    request->connection.is_new = chance(50);
    request->number = ++numbers;
    request->arrived_us = request->since_us = clock_us;
    request->deletions = deletions_so_far();
    requests[at] = request;
    return request;
}

void request_header(struct request *request, const char *name, const char *value)
{
    h2o_mem_pool_t *pool = &request->req.pool;
    h2o_iovec_t kept = h2o_strdup(pool, value, SIZE_MAX);
    h2o_add_header_by_str(pool, &request->req.headers, name, strlen(name), 1, NULL, kept.base, kept.len);
}

void *model_alloc_shared(h2o_mem_pool_t *pool, size_t size,
                         void (*dispose)(void *memory)) __asm__("__wrap_h2o_mem_alloc_shared");
void *real_alloc_shared(h2o_mem_pool_t *pool, size_t size,
                        void (*dispose)(void *memory)) __asm__("__real_h2o_mem_alloc_shared");

/* The balancer makes the exchange of a request in this way, and nothing else. */
void *model_alloc_shared(h2o_mem_pool_t *pool, size_t size, void (*dispose)(void *memory))
{
    struct request *request = from_req(H2O_STRUCT_FROM_MEMBER(h2o_req_t, pool, pool));
    request->exchange = real_alloc_shared(pool, size, dispose);
    return request->exchange;
}

static void forget(struct request *request)
{
    unsigned at = 0;
    while (requests[at] != request)
        at++;
    for (; at + 1 < REQUESTS; at++)
        requests[at] = requests[at + 1];
    requests[REQUESTS - 1] = NULL;
}

void request_end(struct request *request)
{
    TRACE("request %u ends", request->number);
    judge_end(request);
    h2o_mem_clear_pool(&request->req.pool);
    request->exchange = NULL;
    book_forget(request);
    forget(request);
    pe_buf_free(&request->body);
    pe_buf_free(&request->response);
    pe_buf_free(&request->problem_text);
    watcher_free(request->watcher);
    free(request->session);
    free(request);
}

void request_read(struct request *request)
{
    if (request->session) {
        session_read(request);
        return;
    }
    if (!request->in_flight || request->must_end)
        return;
    request->in_flight = false;
    request->read_us = clock_us;
    if (request->final || request->aborted)
        request->must_end = true;
    else
        request->generator->proceed(request->generator, &request->req);
}

void request_hang_up(struct request *request)
{
    struct connection *connection = &request->connection;
    if (request->hung_up || request->must_end)
        return;
    TRACE("client of request %u hangs up", request->number);
    if (request->session) {
        session_hang_up(request);
        return;
    }
    request->hung_up = true;
    bool is_watched = connection->on_hangup && (!request->started || request->watcher);
    if (request->req.version >= 0x200 || (request->started && !is_watched)) {
        request_end(request); /* libh2o sees it by itself */
        return;
    }
    if (is_watched) {
        void (*on_hangup)(void *data) = connection->on_hangup;
        connection->on_hangup = NULL;
        on_hangup(connection->data);
    }
}

/* Whether the client takes nothing of its response. */
static bool is_stalled(const struct request *request)
{
    return request->in_flight && clock_us - request->sent_us > STALL_US;
}

unsigned requests_end_due(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < REQUESTS && requests[i];) {
        struct request *request = requests[i];
        request->is_shut_down |= is_stalled(request);
        if (!request->must_end && !request->is_shut_down) {
            i++;
            continue;
        }
        request_end(request);
        count++;
    }
    return count;
}

/* ---- responses: libh2o ---- */

static void take(struct pe_buf *to, const h2o_iovec_t *pieces, size_t count)
{
    struct pe_error err;
    for (size_t i = 0; i < count; i++)
        if (pe_buf_append(to, pieces[i].base, pieces[i].len, &err) < 0)
            abort();
}

static void take_events(struct request *request, const h2o_iovec_t *pieces, size_t count)
{
    book_sync();
    for (size_t i = 0; i < count; i++)
        events_read(request, pieces[i].base, pieces[i].len);
}

static const char *header_of(const struct request *request, const char *name, size_t size)
{
    const h2o_headers_t *headers = &request->req.res.headers;
    ssize_t at = h2o_find_header_by_str(headers, name, size, -1);
    return at < 0 ? "" : headers->entries[at].value.base;
}

static void note_start(struct request *request)
{
    EXPECT(!request->started, "request %u is answered twice", request->number);
    EXPECT(!request->must_end, "request %u is answered after its end", request->number);
    const char *source = header_of(request, H2O_STRLIT("cache-status"));
    request->started = true;
    request->is_hit = strstr(source, "; hit") != NULL;
    request->has_joined = strstr(source, "; collapsed") != NULL;
    request->is_from_store = strstr(source, "detail=store") != NULL;
}

void h2o_start_response(h2o_req_t *req, h2o_generator_t *generator)
{
    struct request *request = from_req(req);
    note_start(request);
    request->generator = generator;
    judge_start(request);
    deletions_note_key(request, header_of(request, H2O_STRLIT("x-result-key")));
}

static bool shares_group(const struct request *request, const struct request *other)
{
    bool shares = false;
    for (unsigned part = 0; part < PARTS_MAX; part++)
        shares |= request_had(other, request->groups[part]);
    return shares;
}

/* Whether the balancer has just started, and the request waits for a worker that has its image. */
static bool waits_for_workers(const struct request *request)
{
    return request->exchange && pe_list_linked(&request->exchange->in_waiting_for_workers);
}

/* A connection of HTTP/2 may break while something is sent on it, and all of its requests end. Behind a
 * proxy, they may be of several clients. */
static void break_connection(const struct request *request)
{
    struct request *other = requests[choose(REQUESTS)];
    if (request->req.version < 0x200)
        return;
    for (unsigned i = 0; i < REQUESTS && requests[i]; i++) /* rather one that is looked at in the same walk */
        if (requests[i] != request && requests[i]->req.version >= 0x200 &&
            (shares_group(requests[i], request) || waits_for_workers(requests[i])))
            other = requests[i];
    if (!other || other == request || other->req.version < 0x200 || !other->exchange)
        return;
    TRACE("the connection of request %u breaks", other->number);
    other->hung_up = true;
    request_end(other);
}

void h2o_send(h2o_req_t *req, h2o_iovec_t *pieces, size_t count, h2o_send_state_t state)
{
    struct request *request = from_req(req);
    EXPECT(request->started && !request->in_flight, "a piece of request %u out of turn", request->number);
    EXPECT(!request->final && !request->aborted, "request %u goes on after its end", request->number);
    take(&request->response, pieces, count);
    if (request->watcher)
        take_events(request, pieces, count);
    request->in_flight = true;
    request->sent_us = clock_us;
    request->final = state == H2O_SEND_STATE_FINAL;
    request->aborted = state == H2O_SEND_STATE_ERROR;
    TRACE("response of request %u: %zu bytes%s%s", request->number, request->response.size,
          request->final ? ", complete" : "", request->aborted ? ", broken off" : "");
    if (request->final)
        judge_final(request);
    if (request->aborted)
        judge_abort(request);
    request->must_end |= request->aborted || request->hung_up;
    if (chance(25))
        break_connection(request);
}

void h2o_send_inline(h2o_req_t *req, const char *body, size_t size)
{
    struct request *request = from_req(req);
    const h2o_iovec_t piece = h2o_iovec_init(body, size);
    if (request->is_question) {
        question_answer(request, body, size);
        return;
    }
    note_start(request);
    if (request->work.api)
        dialect_read_problem(request, body, size);
    else
        take(&request->problem_text, &piece, 1);
    request->final = request->in_flight = true;
    request->sent_us = clock_us;
    judge_problem(request);
    request->must_end = request->hung_up;
    if (chance(25))
        break_connection(request);
}

/* ---- problems that end a response of events: lb/api/event_encoder.c ---- */

void model_set_problem(struct event_encoder *encoder,
                       const struct pe_problem *problem) __asm__("__wrap_event_encoder_set_problem");
void real_set_problem(struct event_encoder *encoder,
                      const struct pe_problem *problem) __asm__("__real_event_encoder_set_problem");

static struct request *from_encoder(const struct event_encoder *encoder)
{
    unsigned at = 0;
    while (!(requests[at]->exchange && requests[at]->exchange->events == encoder) &&
           !(requests[at]->session && &requests[at]->session->live->events == encoder))
        at++;
    return requests[at];
}

/* The client may read it much later. Whether it is right is decided now. */
void model_set_problem(struct event_encoder *encoder, const struct pe_problem *problem)
{
    struct request *request = from_encoder(encoder);
    judge_before_problem(problem);
    json_t *json = pe_problem_to_json(problem);
    char *text = json_dumps(json, JSON_COMPACT);
    const h2o_iovec_t piece = h2o_iovec_init(text, strlen(text));
    take(&request->problem_text, &piece, 1);
    free(text);
    json_decref(json);
    EXPECT(!request->watcher->has_problem, "request %u has two problems", request->number);
    request->watcher->has_problem = true;
    judge_problem(request);
    if (request->session)
        request->was_let_in = request->session->is_counted = false;
    real_set_problem(encoder, problem);
}

/* ---- connections: lb/edge/connection.c and lb/edge/peer.c ---- */

struct connection *connection_of_request(const h2o_req_t *req)
{
    return &from_req(req)->connection;
}

bool connection_is_new(const struct connection *connection)
{
    return connection->is_new;
}

void connection_busy(struct connection *connection)
{
    (void)connection;
}

void connection_idle(struct connection *connection)
{
    (void)connection;
}

void connection_is_of_worker(struct connection *connection)
{
    (void)connection;
}

void connection_response_begin(const h2o_req_t *req)
{
    (void)req;
}

void connection_response_wait(const h2o_req_t *req)
{
    (void)req;
}

int connection_watch_hangup(struct connection *connection, void (*on_hangup)(void *data), void *data,
                            struct pe_error *err)
{
    (void)err;
    connection->on_hangup = on_hangup;
    connection->data = data;
    return 0;
}

void connection_unwatch_hangup(struct connection *connection)
{
    connection->on_hangup = NULL;
}

void connection_shut_down(const h2o_req_t *req)
{
    from_req(req)->is_shut_down = true;
}

struct pe_ip_address peer_of_request(const struct peer_networks *trusted, h2o_req_t *req)
{
    struct pe_ip_address address = {{0}};
    (void)trusted;
    memset(address.bytes, 0, sizeof address.bytes);
    address.bytes[10] = address.bytes[11] = 0xff; /* IPv4 */
    address.bytes[15] = (uint8_t)(1 + from_req(req)->client);
    return address;
}
