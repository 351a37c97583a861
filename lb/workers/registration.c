/* SPDX-License-Identifier: Apache-2.0 */
/* Registrations: the worker sends `hello` messages, the balancer sends nothing. While a registration is
 * open, and for a while after it was lost, the slots of its worker get jobs.
 *
 * A `hello` can name 4096 images, and reading it can take 100 ms, so a worker that sends one after the
 * other would hold the loop. Therefore a registration rests after each one for ten times as long as it
 * took, and all others for as long as it took. Of what arrives meanwhile, the last one is kept. */
#include "lb/workers/registration.h"

#include "base/io.h"
#include "base/log.h"
#include "proto/slot.h"

#include <stdio.h>
#include <stdlib.h>

struct registration {
    struct ws_server ws;
    struct worker_connection connection;
    struct worker_context *context;
    char worker_name[256];     /* from the last `hello`, for the log */
    struct pe_list in_waiting; /* while it has a `hello` that is read later */
    struct pe_buf hello;       /* its text */
    uint64_t rest_until_us;
    bool is_closed; /* it waits for its last `hello` to be read: that may say that the worker stops */
};

enum {
    RESTS = 10,
    LOOK_MS = 5,
    CLOSED_MAX = 16, /* registrations that are closed and wait; of others, the last `hello` is dropped */
};

static struct registration *from_ws(struct ws_server *ws)
{
    return H2O_STRUCT_FROM_MEMBER(struct registration, ws, ws);
}

/* Other workers, or other images, are known now: requests may have waited for them. When a worker goes,
 * a second registration with its name counts, and jobs that preferred it go to another worker. */
static void announce_change(const struct worker_context *context)
{
    context->on_worker_changed(context->data);
    dispatch_soon(context->dispatch);
}

static void refuse(struct registration *registration, uint16_t close_code, const char *why)
{
    pe_log(PE_LOG_WARN, "registration of worker '%s': %s: closing it", registration->worker_name, why);
    scheduler_worker_gone(registration->context->scheduler, registration);
    pe_list_remove(&registration->in_waiting);
    ws_server_close(&registration->ws, close_code, why);
    announce_change(registration->context);
}

static void read_hello(struct registration *registration, const uint8_t *text, size_t size)
{
    struct worker_context *context = registration->context;
    pe_automessage struct pe_message message;
    struct pe_error err;
    int failed = pe_message_decode(text, size, &message, &err);
    if (!failed && message.kind != PE_MESSAGE_HELLO)
        failed = pe_fail(&err, PE_ERR_MALFORMED, "a registration takes no message but 'hello'");
    const struct pe_hello *hello = &message.hello;
    failed = failed ||
             tokens_check_name(context->tokens, &registration->connection.identity, hello->host, &err) < 0;
    message.hello.trusted = !failed && worker_is_trusted(context, &registration->connection, hello->host);
    snprintf(message.hello.owner, sizeof message.hello.owner, "%s", registration->connection.identity.owner);
    if (failed || scheduler_worker_hello(context->scheduler, registration, hello, &err) < 0) {
        bool is_version = message.protocol != PE_SLOT_PROTOCOL;
        if (message.host[0]) /* a message that is refused can have a name in it, too */
            snprintf(registration->worker_name, sizeof registration->worker_name, "%s", message.host);
        refuse(registration, is_version ? PE_SLOT_CLOSE_VERSION : WSLAY_CODE_POLICY_VIOLATION, err.message);
        return;
    }
    snprintf(registration->worker_name, sizeof registration->worker_name, "%s", hello->host);
    registration->connection.is_registered = true;
    pe_log(PE_LOG_INFO, "worker '%s' (%s, %s; isolation: %s; %s) has %u slots and %zu images%s%s",
           hello->host, hello->arch, hello->cpu, pe_isolation_name(hello->isolation), hello->vmm,
           hello->slots, json_array_size(hello->images), hello->trusted ? "; it is trusted" : "",
           hello->draining ? ", and takes no more jobs" : "");
    if (!scheduler_worker_counts(context->scheduler, registration))
        pe_log(PE_LOG_WARN,
               "worker '%s': another registration with this name is open; what this one says counts when "
               "that one has closed",
               hello->host);
    announce_change(context);
}

/* ---- when a `hello` is read ---- */

static void end_registration(struct registration *registration)
{
    bool away = presence_lost(registration->context->presence, registration);
    pe_log(PE_LOG_INFO, "registration of worker '%s' is closed%s", registration->worker_name,
           away ? "; the worker is expected back" : "");
    pe_buf_free(&registration->hello);
    announce_change(registration->context);
    free(registration);
}

static void read_and_rest(struct registration *registration, const uint8_t *text, size_t size)
{
    uint64_t start = pe_now_us();
    read_hello(registration, text, size);
    uint64_t now = pe_now_us(), took = now - start;
    registration->context->hellos.rest_until_us = now + took;
    registration->rest_until_us = now + RESTS * took;
}

static void look_later(struct hello_queue *hellos)
{
    if (!h2o_timeout_is_linked(&hellos->entry))
        h2o_timeout_link(hellos->loop, &hellos->timeout, &hellos->entry);
}

/* Its `hello` is not kept any more. Of a closed registration, it is not counted. */
static void stop_keeping(struct registration *registration)
{
    if (!registration->is_closed)
        worker_connection_keeps(registration->context, &registration->connection, 0);
}

/* Read one `hello` that waits, if one may be read now. */
static void on_look(h2o_timeout_entry_t *entry)
{
    struct hello_queue *hellos = H2O_STRUCT_FROM_MEMBER(struct hello_queue, entry, entry);
    uint64_t now = pe_now_us();
    pe_list_for_each(node, &hellos->waiting)
    {
        struct registration *registration = pe_list_entry(node, struct registration, in_waiting);
        if (now < hellos->rest_until_us || now < registration->rest_until_us)
            continue;
        pe_autobuf struct pe_buf text = registration->hello;
        registration->hello = (struct pe_buf){0};
        pe_list_remove(&registration->in_waiting);
        stop_keeping(registration);
        read_and_rest(registration, text.data, text.size);
        if (registration->is_closed) {
            hellos->closed--;
            end_registration(registration);
        }
        break; /* the list may have changed */
    }
    if (hellos->waiting.next != &hellos->waiting)
        look_later(hellos);
}

static void keep_for_later(struct registration *registration, const uint8_t *text, size_t size)
{
    struct hello_queue *hellos = &registration->context->hellos;
    struct pe_error err;
    registration->hello.size = 0;
    if (pe_buf_append(&registration->hello, text, size, &err) < 0) {
        refuse(registration, WSLAY_CODE_INTERNAL_SERVER_ERROR, err.message);
        return;
    }
    if (!pe_list_linked(&registration->in_waiting))
        pe_list_append(&hellos->waiting, &registration->in_waiting);
    worker_connection_keeps(registration->context, &registration->connection, registration->hello.capacity);
    look_later(hellos);
}

static void on_arriving(struct ws_server *ws, size_t size)
{
    struct registration *registration = from_ws(ws);
    worker_connection_arriving(registration->context, &registration->connection, size);
}

static void on_text(struct ws_server *ws, const uint8_t *text, size_t size)
{
    struct registration *registration = from_ws(ws);
    const struct hello_queue *hellos = &registration->context->hellos;
    uint64_t now = pe_now_us();
    worker_connection_arrived(registration->context, &registration->connection);
    bool nobody_waits = hellos->waiting.next == &hellos->waiting;
    if (nobody_waits && now >= hellos->rest_until_us && now >= registration->rest_until_us)
        read_and_rest(registration, text, size);
    else
        keep_for_later(registration, text, size);
}

static void on_bytes(struct ws_server *ws, const uint8_t *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    refuse(from_ws(ws), WSLAY_CODE_POLICY_VIOLATION, "a registration takes no binary messages");
}

static void do_nothing(struct ws_server *ws)
{
    (void)ws;
}

static void on_closed(struct ws_server *ws)
{
    struct registration *registration = from_ws(ws);
    struct hello_queue *hellos = &registration->context->hellos;
    registration->is_closed = true;
    worker_connection_closed(registration->context, &registration->connection);
    if (pe_list_linked(&registration->in_waiting) && hellos->closed < CLOSED_MAX) {
        hellos->closed++; /* it ends when its last `hello` was read */
        return;
    }
    pe_list_remove(&registration->in_waiting);
    end_registration(registration);
}

static void on_refused(struct worker_connection *connection, const char *why)
{
    struct registration *registration = pe_list_entry(connection, struct registration, connection);
    if (!registration->ws.closing)
        refuse(registration, WSLAY_CODE_POLICY_VIOLATION, why);
}

void registration_accept(struct worker_context *context, h2o_req_t *req)
{
    static const struct ws_server_events events = {.on_text = on_text,
                                                   .on_bytes = on_bytes,
                                                   .on_room = do_nothing,
                                                   .on_tick = do_nothing,
                                                   .on_closed = on_closed,
                                                   .on_arriving = on_arriving};
    struct worker_connection connection = {.refuse = on_refused};
    const char *client_key = NULL;
    if (!worker_admit(context, req, &connection, &client_key))
        return;
    struct registration *registration = h2o_mem_alloc(sizeof *registration);
    *registration = (struct registration){.context = context, .connection = connection};
    registration->connection.name = registration->worker_name;
    registration->connection.ws = &registration->ws;
    worker_connection_opened(context, &registration->connection);
    ws_server_open(&registration->ws, &context->ws, req, client_key, &events);
}

void registrations_init(struct worker_context *context)
{
    struct hello_queue *hellos = &context->hellos;
    *hellos = (struct hello_queue){.loop = context->ws.ctx->loop, .entry = {.cb = on_look}};
    pe_list_init(&hellos->waiting);
    pe_list_init(&context->connections);
    h2o_timeout_init(hellos->loop, &hellos->timeout, LOOK_MS);
}
