/* SPDX-License-Identifier: Apache-2.0 */
/* Registrations: the worker sends `hello` messages, the balancer sends nothing. While a registration is
 * open, and for a while after it was lost, the slots of its worker get jobs. */
#include "lb/workers/registration.h"

#include "base/log.h"
#include "proto/slot.h"

#include <stdio.h>
#include <stdlib.h>

struct registration {
    struct ws_server ws;
    struct worker_context *context;
    char worker_name[256]; /* from the last `hello`, for the log */
};

static struct registration *from_ws(struct ws_server *ws)
{
    return H2O_STRUCT_FROM_MEMBER(struct registration, ws, ws);
}

static void refuse(struct registration *registration, uint16_t close_code, const char *why)
{
    pe_log(PE_LOG_WARN, "registration of worker '%s': %s: closing it", registration->worker_name, why);
    scheduler_worker_gone(registration->context->scheduler, registration);
    ws_server_close(&registration->ws, close_code, why);
}

static void on_text(struct ws_server *ws, const uint8_t *text, size_t size)
{
    struct registration *registration = from_ws(ws);
    struct worker_context *context = registration->context;
    pe_automessage struct pe_message message;
    struct pe_error err;
    int failed = pe_message_decode(text, size, &message, &err);
    if (!failed && message.kind != PE_MESSAGE_HELLO)
        failed = pe_fail(&err, PE_ERR_MALFORMED, "a registration takes no message but 'hello'");
    const struct pe_hello *hello = &message.hello;
    if (failed || scheduler_worker_hello(context->scheduler, registration, hello, &err) < 0) {
        bool is_version = message.protocol != PE_SLOT_PROTOCOL;
        if (message.host[0]) /* a message that is refused can have a name in it, too */
            snprintf(registration->worker_name, sizeof registration->worker_name, "%s", message.host);
        refuse(registration, is_version ? PE_SLOT_CLOSE_VERSION : WSLAY_CODE_POLICY_VIOLATION, err.message);
        return;
    }
    snprintf(registration->worker_name, sizeof registration->worker_name, "%s", hello->host);
    pe_log(PE_LOG_INFO, "worker '%s' (%s, %s; isolation: %s; %s) has %u slots and %zu images%s", hello->host,
           hello->arch, hello->cpu, pe_isolation_name(hello->isolation), hello->vmm, hello->slots,
           json_array_size(hello->images), hello->draining ? ", and takes no more jobs" : "");
    if (!scheduler_worker_counts(context->scheduler, registration))
        pe_log(PE_LOG_WARN,
               "worker '%s': another registration with this name is open; what this one says counts when "
               "that one has closed",
               hello->host);
    context->on_worker_changed(context->data);
    dispatch_soon(context->dispatch);
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
    bool away = presence_lost(registration->context->presence, registration);
    pe_log(PE_LOG_INFO, "registration of worker '%s' is closed%s", registration->worker_name,
           away ? "; the worker is expected back" : "");
    free(registration);
}

void registration_accept(struct worker_context *context, h2o_req_t *req)
{
    static const struct ws_server_events events = {on_text, on_bytes, do_nothing, do_nothing, on_closed};
    const char *client_key = NULL;
    if (!worker_admit(context, req, &client_key))
        return;
    struct registration *registration = h2o_mem_alloc(sizeof *registration);
    registration->context = context;
    registration->worker_name[0] = '\0';
    ws_server_open(&registration->ws, &context->ws, req, client_key, &events);
}
