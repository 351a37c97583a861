/* Control connections: only `hello` comes, nothing goes. While one is open, its host's slots get jobs. */
#include "lb/workers/registration.h"

#include "base/log.h"
#include "lb/edge/ws_server.h"
#include "proto/slot.h"

#include <stdlib.h>

struct registration {
    struct ws_server ws;
    char host[256]; /* as the last `hello` said, for the log */
};

static struct registration *from_ws(struct ws_server *ws)
{
    return H2O_STRUCT_FROM_MEMBER(struct registration, ws, ws);
}

static void on_text(struct ws_server *ws, const uint8_t *text, size_t size)
{
    struct registration *registration = from_ws(ws);
    pe_automessage struct pe_message message;
    struct pe_error err;
    int failed = pe_message_decode(text, size, &message, &err);
    if (!failed && message.kind != PE_MESSAGE_HELLO)
        failed = pe_fail(&err, PE_ERR_MALFORMED, "only 'hello' is said on a control connection");
    if (!failed)
        failed = scheduler_worker_hello(&ws->server->scheduler, ws, &message.hello, &err);
    if (failed) {
        pe_log(PE_LOG_WARN, "control connection of host '%s': %s", registration->host, err.message);
        scheduler_worker_gone(&ws->server->scheduler, ws);
        ws_server_close(
            ws, message.protocol == PE_SLOT_PROTOCOL ? WSLAY_CODE_POLICY_VIOLATION : PE_SLOT_CLOSE_VERSION,
            err.message);
        return;
    }
    snprintf(registration->host, sizeof registration->host, "%s", message.hello.host);
    pe_log(PE_LOG_INFO, "host '%s' (%s, %s; %s) has %u slots and %zu images%s", message.hello.host,
           message.hello.arch, message.hello.cpu, message.hello.vmm, message.hello.slots,
           json_array_size(message.hello.images), message.hello.draining ? ", and takes no more jobs" : "");
    server_worker_changed(ws->server);
}

static void on_bytes(struct ws_server *ws, const uint8_t *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    scheduler_worker_gone(&ws->server->scheduler, ws);
    ws_server_close(ws, WSLAY_CODE_POLICY_VIOLATION, "binary messages have no place on a control connection");
}

static void nothing_to_do(struct ws_server *ws)
{
    (void)ws;
}

static void on_closed(struct ws_server *ws)
{
    struct registration *registration = from_ws(ws);
    scheduler_worker_gone(&ws->server->scheduler, ws);
    pe_log(PE_LOG_INFO, "control connection of host '%s' is closed", registration->host);
    free(registration);
}

void registration_accept(struct server *server, h2o_req_t *req)
{
    static const struct ws_server_events events = {on_text, on_bytes, nothing_to_do, nothing_to_do,
                                                   on_closed};
    const char *client_key = NULL;
    if (!ws_server_admit(server, req, &client_key))
        return;
    struct registration *registration = h2o_mem_alloc(sizeof *registration);
    registration->host[0] = '\0';
    ws_server_open(&registration->ws, server, req, client_key, &events);
}
