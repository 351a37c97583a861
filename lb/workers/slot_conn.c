/* SPDX-License-Identifier: Apache-2.0 */
/* The balancer's side of one slot: a small state machine over its messages. What a worker sends is
 * checked here for order, id and size. A violation closes the connection, and the job counts as
 * lost with its slot.
 * */
#include "lb/workers/slot_conn.h"

#include "base/io.h"
#include "base/log.h"
#include "lb/core/job.h"
#include "proto/limits.h"
#include "proto/slot.h"

#include <stdlib.h>
#include <string.h>

enum slot_state {
    SLOT_IDLE,      /* waiting for `ready`; perhaps it runs a job of another balancer */
    SLOT_READY,     /* may be given a job */
    SLOT_RUNNING,   /* the job is being sent, or its `result` is awaited */
    SLOT_RESULT,    /* the bytes of the result are arriving */
    SLOT_CANCELING, /* `cancel` was sent: everything is ignored until `error` or `end` */
};

/* How long a worker may take to end a job that was canceled. */
#define CANCEL_US (30ull * 1000 * 1000)

struct slot_conn {
    struct ws_server ws;
    struct worker_connection connection;
    struct worker_context *context;
    struct slot slot;
    enum slot_state state;
    struct job *job;        /* RUNNING and RESULT */
    char id[PE_ID_MAX + 1]; /* of the current or last job */
    size_t part;            /* part of the input that is sent next */
    uint64_t part_offset;   /* first byte of it that was not sent */
    bool input_sent;
    bool is_shared;              /* the slot is offered to other balancers as well, and was welcomed */
    bool is_watching;            /* `watch` was sent for this job */
    bool has_begun;              /* the worker has sent something of this job */
    struct pe_parts output;      /* RUNNING: what the next binary message has; empty: it has no output */
    uint64_t expected, received; /* bytes of the result */
    uint64_t deadline_us;        /* RUNNING, RESULT, CANCELING */
};

static struct slot_conn *from_ws(struct ws_server *ws)
{
    return H2O_STRUCT_FROM_MEMBER(struct slot_conn, ws, ws);
}

/* Forget the job, if there is one. The caller reports to the job why. */
static struct job *forget_job(struct slot_conn *conn)
{
    struct job *job = conn->job;
    conn->job = NULL;
    pe_parts_free(&conn->output);
    if (job)
        scheduler_entry_remove(conn->context->scheduler, &job->entry);
    return job;
}

static uint64_t worker_serial(const struct slot_conn *conn)
{
    return conn->slot.worker ? conn->slot.worker->claim->serial : 0;
}

/* The slot cannot be used any more. Its job is given to another one. */
static void leave(struct slot_conn *conn, const char *why)
{
    struct scheduler *scheduler = conn->context->scheduler;
    uint64_t worker = worker_serial(conn);
    struct job *job = forget_job(conn);
    conn->state = SLOT_IDLE;
    scheduler_slot_remove(scheduler, &conn->slot);
    if (job)
        job_on_lost(job, worker, why);
}

/* Close the connection of the worker `name`, and give its job to another slot. */
static void refuse(struct slot_conn *conn, const char *name, uint16_t close_code, const char *why)
{
    pe_log(PE_LOG_WARN, "slot of worker '%s': %s: closing it", name, why);
    ws_server_close(&conn->ws, close_code, why);
    leave(conn, why);
    dispatch_soon(conn->context->dispatch);
}

/* The worker has broken the protocol. */
static void violate(struct slot_conn *conn, const char *why)
{
    refuse(conn, conn->slot.worker_name, WSLAY_CODE_POLICY_VIOLATION, why);
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

/* Fill one binary message with bytes of the input. Small files share a message. */
static size_t next_input(struct slot_conn *conn, uint8_t *to, size_t room)
{
    const struct submission *submission = conn->job->source->submission;
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

/* ---- a job that is watched, or typed to ---- */

static struct slot_conn *from_slot(struct slot *slot)
{
    return H2O_STRUCT_FROM_MEMBER(struct slot_conn, slot, slot);
}

/* Send what the client has typed, as long as there is room, because single keys are many messages. on_room()
 * goes on. */
static void send_typed(struct slot_conn *conn, struct job_input *input)
{
    struct pe_message message = {0};
    struct pe_cursor bytes = {0};
    memcpy(message.id, conn->id, sizeof message.id);
    while (ws_server_has_room(&conn->ws) && job_input_next(input, &message, &bytes)) {
        send_message(conn, &message);
        if (message.kind == PE_MESSAGE_INPUT)
            ws_server_send_bytes(&conn->ws, bytes.at, bytes.left);
        job_input_sent(input, &message);
    }
}

/* Before the files of the job are sent, everything waits; on_room() calls this function then. */
static void serve(struct slot *slot)
{
    struct slot_conn *conn = from_slot(slot);
    if (conn->state != SLOT_RUNNING || !conn->input_sent || !slot->is_live)
        return;
    if (conn->job->watched && !conn->is_watching) {
        conn->is_watching = true;
        send_signal(conn, PE_MESSAGE_WATCH);
    }
    if (conn->job->source->input)
        send_typed(conn, conn->job->source->input);
}

/* ---- the job's files ---- */

/* Queue as much input as there is room for. The rest follows when the connection has sent some. */
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
    serve(&conn->slot);
}

/* ---- what the scheduler's side asks for (struct slot_ops) ---- */

static void start(struct slot *slot, struct job *job)
{
    struct slot_conn *conn = from_slot(slot);
    const struct submission *submission = job->source->submission;
    /* This message borrows the job and the parts of the submission, so it must not be freed. */
    struct pe_message message = {.kind = PE_MESSAGE_JOB,
                                 .job = submission->spec,
                                 .job_text = submission->spec_text,
                                 .queue_us = job->started_us - job->source->arrived_us,
                                 .parts = submission->files};
    if (job->source->trace)
        message.trace = *job->source->trace;
    if (job->source->input)
        message.input = *job_input_at_start(job->source->input);
    memcpy(message.id, job->id, sizeof job->id);
    memcpy(conn->id, message.id, sizeof conn->id);
    conn->job = job;
    conn->state = SLOT_RUNNING;
    conn->part = 0;
    conn->part_offset = conn->expected = conn->received = 0;
    conn->input_sent = conn->is_watching = conn->has_begun = false;
    conn->deadline_us = pe_now_us() + submission->spec.timeout_ms * 1000ull + PE_SLOT_GRACE_US +
                        pe_slot_transfer_us(pe_parts_size(&submission->files));
    send_message(conn, &message);
}

static void cancel(struct slot *slot)
{
    struct slot_conn *conn = from_slot(slot);
    forget_job(conn);
    conn->state = SLOT_CANCELING;
    conn->deadline_us = pe_now_us() + CANCEL_US;
    send_signal(conn, PE_MESSAGE_CANCEL);
}

static void dismiss(struct slot *slot)
{
    struct slot_conn *conn = from_slot(slot);
    ws_server_close(&conn->ws, WSLAY_CODE_GOING_AWAY, "the balancer is shutting down");
}

/* ---- messages ---- */

/* Tell a slot that is offered to other balancers as well that this one understands its messages. */
static void welcome(struct slot_conn *conn)
{
    const struct pe_message message = {.kind = PE_MESSAGE_WELCOME, .shared = PE_SHARED_VERSION};
    if (conn->is_shared)
        return;
    conn->is_shared = true;
    send_message(conn, &message);
}

static void on_ready(struct slot_conn *conn, const struct pe_message *message)
{
    if (message->shared >= PE_SHARED_VERSION)
        welcome(conn);
    /* The VM became warm while a job was on its way. The two messages crossed, and the job
     * counts. */
    if (conn->state == SLOT_RUNNING || conn->state == SLOT_CANCELING)
        return;
    if (conn->state == SLOT_RESULT) {
        violate(conn, "'ready' in the middle of a result");
        return;
    }
    struct pe_error err;
    if (tokens_check_name(conn->context->tokens, &conn->connection.identity, message->host, &err) < 0) {
        refuse(conn, message->host, WSLAY_CODE_POLICY_VIOLATION, err.message);
        return;
    }
    conn->state = SLOT_READY;
    conn->slot.is_live = message->live >= PE_LIVE_VERSION;
    conn->slot.trusted = worker_is_trusted(conn->context, &conn->connection, message->host);
    scheduler_slot_ready(conn->context->scheduler, &conn->slot, message->host, message->warm);
    dispatch_soon(conn->context->dispatch);
}

/* The slot is busy for another balancer. An audit on the same worker may have to make room. */
static void withdraw(struct slot_conn *conn)
{
    conn->state = SLOT_IDLE;
    scheduler_slot_withdraw(conn->context->scheduler, &conn->slot);
    dispatch_soon(conn->context->dispatch);
}

/* Another balancer has the slot. If a job is on its way to it, the two messages crossed: the slot gives the
 * job back, or it was free again before the job arrived, and runs it. */
static void on_withdraw(struct slot_conn *conn)
{
    if (!conn->is_shared)
        violate(conn, "'withdraw' of a slot that is not shared");
    else if (conn->state == SLOT_RESULT)
        violate(conn, "'withdraw' in the middle of a result");
    else if (conn->state == SLOT_READY || conn->state == SLOT_IDLE)
        withdraw(conn);
}

/* The slot ignores what else it is sent of this job, so the rest of the input is not sent. */
static void on_return(struct slot_conn *conn)
{
    switch (conn->state) {
    case SLOT_CANCELING:
        conn->state = SLOT_IDLE;
        return;
    case SLOT_RUNNING:
        break;
    default:
        violate(conn, "'return' out of order");
        return;
    }
    if (!conn->is_shared) {
        violate(conn, "'return' of a slot that is not shared");
        return;
    }
    /* What it has sent was told to clients, and would count for the next worker. */
    if (conn->has_begun) {
        violate(conn, "'return' of a job that has begun");
        return;
    }
    struct job *job = forget_job(conn);
    withdraw(conn);
    job_on_returned(job, worker_serial(conn));
}

/* `output` announces one binary message. */
static void on_output(struct slot_conn *conn, struct pe_message *message)
{
    if (conn->state == SLOT_CANCELING)
        return;
    if (conn->state != SLOT_RUNNING || !conn->is_watching) {
        violate(conn, "'output' that nobody asked for");
        return;
    }
    conn->has_begun = true;
    conn->output = message->parts;
    message->parts = (struct pe_parts){0};
}

static void on_taken(struct slot_conn *conn, const struct pe_message *message)
{
    struct pe_error err;
    if (conn->state == SLOT_CANCELING)
        return;
    conn->has_begun = true;
    if (conn->state != SLOT_RUNNING)
        violate(conn, "'taken' out of order");
    else if (job_on_taken(conn->job, message->bytes, &err) < 0)
        violate(conn, err.message);
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
    const char *fault = job_result_parts_fault(&message->parts);
    if (fault) {
        violate(conn, fault);
        return;
    }
    conn->state = SLOT_RESULT;
    conn->expected = pe_parts_size(&message->parts);
    conn->deadline_us += pe_slot_transfer_us(conn->expected);
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
        violate(conn, "'end' before all bytes of the result");
        return;
    }
    conn->state = SLOT_IDLE;
    job_on_end(forget_job(conn));
}

static void on_error(struct slot_conn *conn, const struct pe_message *message)
{
    switch (conn->state) {
    case SLOT_CANCELING:
        conn->state = SLOT_IDLE;
        return;
    case SLOT_IDLE:
    case SLOT_READY: /* answers a `cancel` that crossed the end of its job */
        return;
    case SLOT_RESULT:
        violate(conn, "'error' in the middle of a result");
        return;
    case SLOT_RUNNING:
        break;
    }
    /* If not all input was sent, the two sides do not agree on what the next bytes are. */
    if (!conn->input_sent)
        ws_server_close(&conn->ws, WSLAY_CODE_NORMAL_CLOSURE, "the job was refused before it was sent");
    conn->state = SLOT_IDLE;
    struct job *job = forget_job(conn);
    if (!strcmp(message->problem.type, PE_SLOT_VM_LOST))
        job_on_vm_lost(job, worker_serial(conn), message->problem.detail);
    else
        job_on_problem(job, &message->problem);
}

static void on_arriving(struct ws_server *ws, size_t size)
{
    struct slot_conn *conn = from_ws(ws);
    worker_connection_arriving(conn->context, &conn->connection, size);
}

static void on_text(struct ws_server *ws, const uint8_t *text, size_t size)
{
    struct slot_conn *conn = from_ws(ws);
    worker_connection_arrived(conn->context, &conn->connection);
    pe_automessage struct pe_message message;
    struct pe_error err;
    if (pe_message_decode(text, size, &message, &err) < 0) {
        bool is_version = message.protocol != PE_SLOT_PROTOCOL;
        refuse(conn, message.host[0] ? message.host : conn->slot.worker_name,
               is_version ? PE_SLOT_CLOSE_VERSION : WSLAY_CODE_POLICY_VIOLATION, err.message);
        return;
    }
    if (message.kind == PE_MESSAGE_READY) {
        on_ready(conn, &message);
        return;
    }
    if (message.kind == PE_MESSAGE_WITHDRAW) {
        on_withdraw(conn);
        return;
    }
    if (strcmp(message.id, conn->id) != 0 || !conn->id[0]) {
        violate(conn, "a message for a job of another slot");
        return;
    }
    if (conn->output.count) {
        violate(conn, "a message between 'output' and its bytes");
        return;
    }
    if (message.kind == PE_MESSAGE_OUTPUT)
        on_output(conn, &message);
    else if (message.kind == PE_MESSAGE_TAKEN)
        on_taken(conn, &message);
    else if (message.kind == PE_MESSAGE_RESULT)
        on_result(conn, &message);
    else if (message.kind == PE_MESSAGE_END)
        on_end(conn);
    else if (message.kind == PE_MESSAGE_ERROR)
        on_error(conn, &message);
    else if (message.kind == PE_MESSAGE_RETURN)
        on_return(conn);
    else
        violate(conn, "a message that a slot does not send");
}

/* The bytes that an `output` has announced. The job, and the slot with it, may end inside each call. */
static void on_output_bytes(struct slot_conn *conn, struct pe_cursor bytes)
{
    struct pe_error err;
    struct pe_parts parts __attribute__((cleanup(pe_parts_free))) = conn->output;
    conn->output = (struct pe_parts){0};
    if (pe_parts_size(&parts) != bytes.left) {
        violate(conn, "'output' announces another number of bytes than follow");
        return;
    }
    for (size_t i = 0; i < parts.count && conn->state == SLOT_RUNNING; i++) {
        size_t size = (size_t)parts.items[i].size;
        enum live_stream stream = parts.items[i].kind == PE_PART_STDOUT ? LIVE_STDOUT : LIVE_STDERR;
        if (job_on_output(conn->job, stream, pe_cursor_read(&bytes, size), size, &err) < 0)
            violate(conn, err.message);
    }
}

static void on_bytes(struct ws_server *ws, const uint8_t *bytes, size_t size)
{
    struct slot_conn *conn = from_ws(ws);
    struct pe_error err;
    worker_connection_arrived(conn->context, &conn->connection);
    if (size > PE_SLOT_BINARY_MAX) {
        violate(conn, "a binary message is too long");
        return;
    }
    if (conn->state == SLOT_CANCELING)
        return;
    if (conn->output.count) {
        on_output_bytes(conn, (struct pe_cursor){.at = bytes, .left = size});
        return;
    }
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
    struct dispatch *dispatch = conn->context->dispatch;
    worker_connection_closed(conn->context, &conn->connection);
    leave(conn, "the slot's connection was closed");
    free(conn);
    dispatch_soon(dispatch);
}

static void on_refused(struct worker_connection *connection, const char *why)
{
    struct slot_conn *conn = pe_list_entry(connection, struct slot_conn, connection);
    if (!conn->ws.closing)
        violate(conn, why);
}

void slot_conn_accept(struct worker_context *context, h2o_req_t *req)
{
    static const struct ws_server_events events = {.on_text = on_text,
                                                   .on_bytes = on_bytes,
                                                   .on_room = on_room,
                                                   .on_tick = on_tick,
                                                   .on_closed = on_closed,
                                                   .on_arriving = on_arriving};
    static const struct slot_ops ops = {.start = start, .cancel = cancel, .serve = serve, .dismiss = dismiss};
    struct worker_connection connection = {.refuse = on_refused};
    const char *client_key = NULL;
    if (!worker_admit(context, req, &connection, &client_key))
        return;
    struct slot_conn *conn = h2o_mem_alloc(sizeof *conn);
    *conn = (struct slot_conn){
        .connection = connection, .context = context, .slot = {.ops = &ops}, .state = SLOT_IDLE};
    conn->connection.name = conn->slot.worker_name;
    conn->connection.ws = &conn->ws;
    worker_connection_opened(context, &conn->connection);
    scheduler_slot_add(context->scheduler, &conn->slot);
    ws_server_open(&conn->ws, &context->ws, req, client_key, &events);
}
