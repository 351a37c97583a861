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

struct slot_link {
    struct link link;
    struct sched_slot slot;
    enum slot_state state;
    struct task *task;      /* RUNNING and RESULT */
    char id[PE_ID_MAX + 1]; /* of the current or last job */
    size_t part;            /* of the input: which part is sent next, */
    uint64_t part_offset;   /* from which byte on */
    bool input_sent;
    uint64_t expected, received; /* bytes of the result */
    uint64_t deadline_us;        /* RUNNING, RESULT, CANCELING */
};

static struct slot_link *from_link(struct link *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct slot_link, link, link);
}

/* Part from the task, if there is one. The caller says to the task why. */
static struct task *let_go(struct slot_link *slot)
{
    struct task *task = slot->task;
    slot->task = NULL;
    if (task)
        scheduler_job_remove(&slot->link.server->scheduler, &task->job);
    return task;
}

/* The slot is of no use any more, and its task goes elsewhere. */
static void leave(struct slot_link *slot, const char *why)
{
    struct scheduler *scheduler = &slot->link.server->scheduler;
    uint64_t host = slot->slot.host ? slot->slot.host->serial : 0;
    struct task *task = let_go(slot);
    slot->state = SLOT_IDLE;
    scheduler_slot_remove(scheduler, &slot->slot);
    if (task)
        task_on_lost(task, host, why);
}

/* The worker broke the protocol: no more of it. */
static void violate(struct slot_link *slot, const char *why)
{
    struct server *server = slot->link.server;
    pe_log(PE_LOG_WARN, "slot of host '%s': %s: closing it", slot->slot.host_name, why);
    link_close(&slot->link, WSLAY_CODE_POLICY_VIOLATION, why);
    leave(slot, why);
    server_dispatch(server);
}

static void send_message(struct slot_link *slot, const struct pe_message *message)
{
    pe_autobuf struct pe_buf text = {0};
    struct pe_error err;
    if (pe_message_encode(message, &text, &err) < 0) {
        pe_log(PE_LOG_ERROR, "%s", err.message);
        link_kill(&slot->link);
        return;
    }
    link_send_text(&slot->link, &text);
}

static void send_signal(struct slot_link *slot, enum pe_message_kind kind)
{
    struct pe_message message = {.kind = kind};
    memcpy(message.id, slot->id, sizeof message.id);
    send_message(slot, &message);
}

/* ---- the job's input ---- */

/* Fill one binary message from the parts; small files share it. */
static size_t next_input(struct slot_link *slot, uint8_t *to, size_t room)
{
    const struct run_request *request = &slot->task->source->request;
    size_t filled = 0;
    while (filled < room && slot->part < request->files.count) {
        uint64_t left = request->files.items[slot->part].size - slot->part_offset;
        size_t n = left < room - filled ? (size_t)left : room - filled;
        if (n)
            memcpy(to + filled, request->bytes[slot->part] + slot->part_offset, n);
        filled += n;
        slot->part_offset += n;
        if (n == left) {
            slot->part++;
            slot->part_offset = 0;
        }
    }
    return filled;
}

/* Queue as much input as there is room for; the rest follows when the connection has taken some. */
static void on_room(struct link *link)
{
    struct slot_link *slot = from_link(link);
    uint8_t bytes[PE_SLOT_BINARY_MAX];
    while (slot->task && !slot->input_sent && link_has_room(link)) {
        size_t size = next_input(slot, bytes, sizeof bytes);
        if (size) {
            link_send_bytes(link, bytes, size);
            continue;
        }
        slot->input_sent = true;
        send_signal(slot, PE_MESSAGE_END);
    }
}

void slot_link_start(struct sched_slot *sched_slot, struct task *task)
{
    struct slot_link *slot = H2O_STRUCT_FROM_MEMBER(struct slot_link, slot, sched_slot);
    const struct run *run = task->source;
    /* A view of the request's own job and parts, which stay its: not to be freed. */
    struct pe_message message = {.kind = PE_MESSAGE_JOB,
                                 .job = run->request.job,
                                 .job_text = run->request.job_text,
                                 .queue_us = task->started_us - run->arrived_us,
                                 .parts = run->request.files};
    memcpy(message.id, task->id, sizeof task->id);
    memcpy(slot->id, message.id, sizeof slot->id);
    slot->task = task;
    slot->state = SLOT_RUNNING;
    slot->part = 0;
    slot->part_offset = slot->expected = slot->received = 0;
    slot->input_sent = false;
    slot->deadline_us = pe_now_us() + run->request.job.timeout_ms * 1000ull + RUN_GRACE_US;
    send_message(slot, &message);
}

void slot_link_cancel(struct sched_slot *sched_slot)
{
    struct slot_link *slot = H2O_STRUCT_FROM_MEMBER(struct slot_link, slot, sched_slot);
    let_go(slot);
    slot->state = SLOT_CANCELING;
    slot->deadline_us = pe_now_us() + CANCEL_US;
    send_signal(slot, PE_MESSAGE_CANCEL);
}

void slot_link_dismiss(struct sched_slot *sched_slot)
{
    struct slot_link *slot = H2O_STRUCT_FROM_MEMBER(struct slot_link, slot, sched_slot);
    link_close(&slot->link, WSLAY_CODE_GOING_AWAY, "the balancer is shutting down");
}

/* ---- messages ---- */

static void on_ready(struct slot_link *slot, const struct pe_message *message)
{
    /* The VM became warm while the job was on its way: the two crossed, and the job is what counts. */
    if (slot->state == SLOT_RUNNING || slot->state == SLOT_CANCELING)
        return;
    if (slot->state == SLOT_RESULT) {
        violate(slot, "'ready' in the middle of a result");
        return;
    }
    slot->state = SLOT_READY;
    scheduler_slot_ready(&slot->link.server->scheduler, &slot->slot, message->host, message->warm);
    server_dispatch(slot->link.server);
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

static void on_result(struct slot_link *slot, struct pe_message *message)
{
    struct pe_error err;
    if (slot->state == SLOT_CANCELING)
        return;
    if (slot->state != SLOT_RUNNING || !slot->input_sent) {
        violate(slot, "'result' out of order");
        return;
    }
    const char *fault = parts_fault(&message->parts);
    if (fault) {
        violate(slot, fault);
        return;
    }
    slot->state = SLOT_RESULT;
    slot->expected = pe_parts_size(&message->parts);
    if (task_on_result(slot->task, message, &err) < 0)
        violate(slot, err.message);
}

static void on_end(struct slot_link *slot)
{
    if (slot->state == SLOT_CANCELING) {
        slot->state = SLOT_IDLE;
        return;
    }
    if (slot->state != SLOT_RESULT || slot->received != slot->expected) {
        violate(slot, "'end' before the result's bytes");
        return;
    }
    slot->state = SLOT_IDLE;
    task_on_end(let_go(slot));
}

static void on_error(struct slot_link *slot, const struct pe_message *message)
{
    switch (slot->state) {
    case SLOT_CANCELING:
        slot->state = SLOT_IDLE;
        return;
    case SLOT_IDLE:
    case SLOT_READY: /* the answer to a `cancel` that crossed the end of its job */
        return;
    case SLOT_RESULT:
        violate(slot, "'error' in the middle of a result");
        return;
    case SLOT_RUNNING:
        break;
    }
    /* An error before all input was sent leaves the two sides with different ideas of what comes next. */
    if (!slot->input_sent)
        link_close(&slot->link, WSLAY_CODE_NORMAL_CLOSURE, "the job was refused before it was sent");
    slot->state = SLOT_IDLE;
    task_on_problem(let_go(slot), &message->problem);
}

static void on_text(struct link *link, const uint8_t *text, size_t size)
{
    struct slot_link *slot = from_link(link);
    pe_automessage struct pe_message message;
    struct pe_error err;
    if (pe_message_decode(text, size, &message, &err) < 0) {
        violate(slot, err.message);
        return;
    }
    if (message.kind == PE_MESSAGE_READY) {
        on_ready(slot, &message);
        return;
    }
    if (strcmp(message.id, slot->id) != 0 || !slot->id[0]) {
        violate(slot, "a message for a job that is not this slot's");
        return;
    }
    if (message.kind == PE_MESSAGE_RESULT)
        on_result(slot, &message);
    else if (message.kind == PE_MESSAGE_END)
        on_end(slot);
    else if (message.kind == PE_MESSAGE_ERROR)
        on_error(slot, &message);
    else
        violate(slot, "a message that a slot does not send");
}

static void on_bytes(struct link *link, const uint8_t *bytes, size_t size)
{
    struct slot_link *slot = from_link(link);
    struct pe_error err;
    if (slot->state == SLOT_CANCELING)
        return;
    if (slot->state != SLOT_RESULT || size > slot->expected - slot->received) {
        violate(slot, "bytes that belong to no result");
        return;
    }
    slot->received += size;
    if (task_on_bytes(slot->task, bytes, size, &err) < 0)
        violate(slot, err.message);
}

/* ---- life ---- */

static void on_tick(struct link *link)
{
    struct slot_link *slot = from_link(link);
    if (slot->state >= SLOT_RUNNING && pe_now_us() > slot->deadline_us)
        violate(slot, "no answer within the job's time");
}

static void on_closed(struct link *link)
{
    struct slot_link *slot = from_link(link);
    struct server *server = link->server;
    leave(slot, "the slot's connection was closed");
    free(slot);
    server_dispatch(server);
}

void slot_link_accept(struct server *server, h2o_req_t *req)
{
    static const struct link_events events = {on_text, on_bytes, on_room, on_tick, on_closed};
    const char *client_key = NULL;
    if (!link_admit(server, req, &client_key))
        return;
    struct slot_link *slot = h2o_mem_alloc(sizeof *slot);
    *slot = (struct slot_link){.state = SLOT_IDLE};
    scheduler_slot_add(&server->scheduler, &slot->slot);
    link_open(&slot->link, server, req, client_key, &events);
}
