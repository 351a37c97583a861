/* The balancer's side of one slot: a small state machine over its messages. What a worker sends is checked
 * here for order, id and size; a violation closes the connection, and the job counts as lost with its slot.
 */
#include "lb/workers/slot_conn.h"

#include "base/io.h"
#include "base/log.h"
#include "lb/api/exchange.h"
#include "lb/core/job.h"
#include "lb/edge/ws_server.h"
#include "proto/limits.h"
#include "proto/slot.h"

#include <stdlib.h>
#include <string.h>

enum slot_state {
    SLOT_IDLE,      /* `ready` is awaited */
    SLOT_READY,     /* a job may be given */
    SLOT_RUNNING,   /* the job is being sent, or its `result` awaited */
    SLOT_RESULT,    /* the result's bytes are coming */
    SLOT_CANCELING, /* `cancel` was sent: all is ignored until `error` or `end` */
};

/* A job may take its own time and this much more: making a VM where nothing is accelerated, and transfers. */
#define RUN_GRACE_US (120ull * 1000 * 1000)
#define CANCEL_US (30ull * 1000 * 1000)

/* A result's parts may exceed the limit of what a job gives back by this much: the limit is the worker's to
 * keep exactly, ours only guards memory. */
#define RESULT_SLACK (1u * PE_MIB)

struct slot_conn {
    struct ws_server ws;
    struct slot slot;
    enum slot_state state;
    struct job *job;        /* RUNNING and RESULT */
    char id[PE_ID_MAX + 1]; /* of the current or last job */
    size_t part;            /* of the input: which part is sent next, */
    uint64_t part_offset;   /* from which byte on */
    bool input_sent;
    uint64_t expected, received; /* bytes of the result */
    uint64_t deadline_us;        /* RUNNING, RESULT, CANCELING */
};

static struct slot_conn *from_ws(struct ws_server *ws)
{
    return H2O_STRUCT_FROM_MEMBER(struct slot_conn, ws, ws);
}

/* Part from the task, if there is one. The caller says to the task why. */
static struct job *let_go(struct slot_conn *conn)
{
    struct job *job = conn->job;
    conn->job = NULL;
    if (job)
        scheduler_entry_remove(&conn->ws.server->scheduler, &job->entry);
    return job;
}

/* The slot is of no use any more, and its task goes elsewhere. */
static void leave(struct slot_conn *conn, const char *why)
{
    struct scheduler *scheduler = &conn->ws.server->scheduler;
    uint64_t worker = conn->slot.worker ? conn->slot.worker->serial : 0;
    struct job *job = let_go(conn);
    conn->state = SLOT_IDLE;
    scheduler_slot_remove(scheduler, &conn->slot);
    if (job)
        job_on_lost(job, worker, why);
}

static void refuse(struct slot_conn *conn, uint16_t close_code, const char *why)
{
    struct server *server = conn->ws.server;
    pe_log(PE_LOG_WARN, "slot of host '%s': %s: closing it", conn->slot.worker_name, why);
    ws_server_close(&conn->ws, close_code, why);
    leave(conn, why);
    server_dispatch(server);
}

/* The worker broke the protocol. Close the connection. */
static void violate(struct slot_conn *conn, const char *why)
{
    refuse(conn, WSLAY_CODE_POLICY_VIOLATION, why);
}

static void send_message(struct slot_conn *conn, const struct pe_message *message)
{
    pe_autobuf struct pe_buf text = {0};
    struct pe_error err;
    if (pe_message_encode(message, &text, &err) < 0) {
        pe_log(PE_LOG_ERROR, "%s", err.message);
        ws_server_kill(&conn->ws);
        return;
    }
    ws_server_send_text(&conn->ws, &text);
}

static void send_signal(struct slot_conn *conn, enum pe_message_kind kind)
{
    struct pe_message message = {.kind = kind};
    memcpy(message.id, conn->id, sizeof message.id);
    send_message(conn, &message);
}

/* ---- the job's input ---- */

/* Fill one binary message from the parts; small files share it. */
static size_t next_input(struct slot_conn *conn, uint8_t *to, size_t room)
{
    const struct submission *submission = &conn->job->source->submission;
    size_t filled = 0;
    while (filled < room && conn->part < submission->files.count) {
        uint64_t left = submission->files.items[conn->part].size - conn->part_offset;
        size_t n = left < room - filled ? (size_t)left : room - filled;
        if (n)
            memcpy(to + filled, submission->bytes[conn->part] + conn->part_offset, n);
        filled += n;
        conn->part_offset += n;
        if (n == left) {
            conn->part++;
            conn->part_offset = 0;
        }
    }
    return filled;
}

/* Queue as much input as there is room for; the rest follows when the connection has taken some. */
static void on_room(struct ws_server *ws)
{
    struct slot_conn *conn = from_ws(ws);
    uint8_t bytes[PE_SLOT_BINARY_MAX];
    while (conn->job && !conn->input_sent && ws_server_has_room(ws)) {
        size_t size = next_input(conn, bytes, sizeof bytes);
        if (size) {
            ws_server_send_bytes(ws, bytes, size);
            continue;
        }
        conn->input_sent = true;
        send_signal(conn, PE_MESSAGE_END);
    }
}

void slot_conn_start(struct slot *slot, struct job *job)
{
    struct slot_conn *conn = H2O_STRUCT_FROM_MEMBER(struct slot_conn, slot, slot);
    const struct exchange *exchange = job->source;
    /* A view of the request's own job and parts, which stay its: not to be freed. */
    struct pe_message message = {.kind = PE_MESSAGE_JOB,
                                 .job = exchange->submission.spec,
                                 .job_text = exchange->submission.spec_text,
                                 .queue_us = job->started_us - exchange->arrived_us,
                                 .parts = exchange->submission.files};
    memcpy(message.id, job->id, sizeof job->id);
    memcpy(conn->id, message.id, sizeof conn->id);
    conn->job = job;
    conn->state = SLOT_RUNNING;
    conn->part = 0;
    conn->part_offset = conn->expected = conn->received = 0;
    conn->input_sent = false;
    conn->deadline_us = pe_now_us() + exchange->submission.spec.timeout_ms * 1000ull + RUN_GRACE_US;
    send_message(conn, &message);
}

void slot_conn_cancel(struct slot *slot)
{
    struct slot_conn *conn = H2O_STRUCT_FROM_MEMBER(struct slot_conn, slot, slot);
    let_go(conn);
    conn->state = SLOT_CANCELING;
    conn->deadline_us = pe_now_us() + CANCEL_US;
    send_signal(conn, PE_MESSAGE_CANCEL);
}

void slot_conn_dismiss(struct slot *slot)
{
    struct slot_conn *conn = H2O_STRUCT_FROM_MEMBER(struct slot_conn, slot, slot);
    ws_server_close(&conn->ws, WSLAY_CODE_GOING_AWAY, "the balancer is shutting down");
}

/* ---- messages ---- */

static void on_ready(struct slot_conn *conn, const struct pe_message *message)
{
    /* The VM became warm while the job was on its way: the two crossed, and the job is what counts. */
    if (conn->state == SLOT_RUNNING || conn->state == SLOT_CANCELING)
        return;
    if (conn->state == SLOT_RESULT) {
        violate(conn, "'ready' in the middle of a result");
        return;
    }
    conn->state = SLOT_READY;
    scheduler_slot_ready(&conn->ws.server->scheduler, &conn->slot, message->host, message->warm);
    server_dispatch(conn->ws.server);
}

/* stdout, stderr, then files: the order the protocol prescribes, and no more bytes than a job may give back.
 */
static const char *parts_fault(const struct pe_parts *parts)
{
    if (parts->count < 2 || parts->items[0].kind != PE_PART_STDOUT || parts->items[1].kind != PE_PART_STDERR)
        return "a result's parts do not start with stdout and stderr";
    if (parts->count > PE_OUTPUT_FILES_MAX + 2)
        return "a result has too many parts";
    for (size_t i = 2; i < parts->count; i++)
        if (parts->items[i].kind != PE_PART_FILE)
            return "a result has stdout or stderr twice";
    if (pe_parts_size(parts) > PE_OUTPUT_BYTES_MAX + RESULT_SLACK)
        return "a result is larger than a job's output may be";
    return NULL;
}

static void on_result(struct slot_conn *conn, struct pe_message *message)
{
    struct pe_error err;
    if (conn->state == SLOT_CANCELING)
        return;
    if (conn->state != SLOT_RUNNING || !conn->input_sent) {
        violate(conn, "'result' out of order");
        return;
    }
    const char *fault = parts_fault(&message->parts);
    if (fault) {
        violate(conn, fault);
        return;
    }
    conn->state = SLOT_RESULT;
    conn->expected = pe_parts_size(&message->parts);
    if (job_on_result(conn->job, message, &err) < 0)
        violate(conn, err.message);
}

static void on_end(struct slot_conn *conn)
{
    if (conn->state == SLOT_CANCELING) {
        conn->state = SLOT_IDLE;
        return;
    }
    if (conn->state != SLOT_RESULT || conn->received != conn->expected) {
        violate(conn, "'end' before the result's bytes");
        return;
    }
    conn->state = SLOT_IDLE;
    job_on_end(let_go(conn));
}

static void on_error(struct slot_conn *conn, const struct pe_message *message)
{
    switch (conn->state) {
    case SLOT_CANCELING:
        conn->state = SLOT_IDLE;
        return;
    case SLOT_IDLE:
    case SLOT_READY: /* the answer to a `cancel` that crossed the end of its job */
        return;
    case SLOT_RESULT:
        violate(conn, "'error' in the middle of a result");
        return;
    case SLOT_RUNNING:
        break;
    }
    /* An error before all input was sent leaves the two sides with different ideas of what comes next. */
    if (!conn->input_sent)
        ws_server_close(&conn->ws, WSLAY_CODE_NORMAL_CLOSURE, "the job was refused before it was sent");
    conn->state = SLOT_IDLE;
    job_on_problem(let_go(conn), &message->problem);
}

static void on_text(struct ws_server *ws, const uint8_t *text, size_t size)
{
    struct slot_conn *conn = from_ws(ws);
    pe_automessage struct pe_message message;
    struct pe_error err;
    if (pe_message_decode(text, size, &message, &err) < 0) {
        bool is_version = message.protocol != PE_SLOT_PROTOCOL;
        refuse(conn, is_version ? PE_SLOT_CLOSE_VERSION : WSLAY_CODE_POLICY_VIOLATION, err.message);
        return;
    }
    if (message.kind == PE_MESSAGE_READY) {
        on_ready(conn, &message);
        return;
    }
    if (strcmp(message.id, conn->id) != 0 || !conn->id[0]) {
        violate(conn, "a message for a job that is not this slot's");
        return;
    }
    if (message.kind == PE_MESSAGE_RESULT)
        on_result(conn, &message);
    else if (message.kind == PE_MESSAGE_END)
        on_end(conn);
    else if (message.kind == PE_MESSAGE_ERROR)
        on_error(conn, &message);
    else
        violate(conn, "a message that a slot does not send");
}

static void on_bytes(struct ws_server *ws, const uint8_t *bytes, size_t size)
{
    struct slot_conn *conn = from_ws(ws);
    struct pe_error err;
    if (conn->state == SLOT_CANCELING)
        return;
    if (conn->state != SLOT_RESULT || size > conn->expected - conn->received) {
        violate(conn, "bytes that belong to no result");
        return;
    }
    conn->received += size;
    if (job_on_bytes(conn->job, bytes, size, &err) < 0)
        violate(conn, err.message);
}

/* ---- life ---- */

static void on_tick(struct ws_server *ws)
{
    struct slot_conn *conn = from_ws(ws);
    if (conn->state >= SLOT_RUNNING && pe_now_us() > conn->deadline_us)
        violate(conn, "no answer within the job's time");
}

static void on_closed(struct ws_server *ws)
{
    struct slot_conn *conn = from_ws(ws);
    struct server *server = ws->server;
    leave(conn, "the slot's connection was closed");
    free(conn);
    server_dispatch(server);
}

void slot_conn_accept(struct server *server, h2o_req_t *req)
{
    static const struct ws_server_events events = {on_text, on_bytes, on_room, on_tick, on_closed};
    const char *client_key = NULL;
    if (!ws_server_admit(server, req, &client_key))
        return;
    struct slot_conn *conn = h2o_mem_alloc(sizeof *conn);
    *conn = (struct slot_conn){.state = SLOT_IDLE};
    scheduler_slot_add(&server->scheduler, &conn->slot);
    ws_server_open(&conn->ws, server, req, client_key, &events);
}
