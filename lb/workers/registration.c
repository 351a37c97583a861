/* Control connections: only `hello` comes, nothing goes. While one is open, its host's slots get jobs. */
#include "lb/workers/registration.h"

#include "base/log.h"
#include "lb/edge/ws_server.h"
#include "proto/slot.h"

#include <stdlib.h>

struct control_link {
    struct link link;
    char host[256]; /* as the last `hello` said, for the log */
};

static struct control_link *from_link(struct link *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct control_link, link, link);
}

static void on_text(struct link *link, const uint8_t *text, size_t size)
{
    struct control_link *control = from_link(link);
    pe_automessage struct pe_message message;
    struct pe_error err;
    int failed = pe_message_decode(text, size, &message, &err);
    if (!failed && message.kind != PE_MESSAGE_HELLO)
        failed = pe_fail(&err, PE_ERR_MALFORMED, "only 'hello' is said on a control connection");
    if (!failed)
        failed = scheduler_host_hello(&link->server->scheduler, link, &message.hello, &err);
    if (failed) {
        pe_log(PE_LOG_WARN, "control connection of host '%s': %s", control->host, err.message);
        scheduler_host_gone(&link->server->scheduler, link);
        link_close(link, WSLAY_CODE_POLICY_VIOLATION, err.message);
        return;
    }
    snprintf(control->host, sizeof control->host, "%s", message.hello.host);
    pe_log(PE_LOG_INFO, "host '%s' (%s, %s; %s) has %u slots and %zu images%s", message.hello.host,
           message.hello.arch, message.hello.cpu, message.hello.vmm, message.hello.slots,
           json_array_size(message.hello.images), message.hello.draining ? ", and takes no more jobs" : "");
    server_host_changed(link->server);
}

static void on_bytes(struct link *link, const uint8_t *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    scheduler_host_gone(&link->server->scheduler, link);
    link_close(link, WSLAY_CODE_POLICY_VIOLATION, "binary messages have no place on a control connection");
}

static void nothing_to_do(struct link *link)
{
    (void)link;
}

static void on_closed(struct link *link)
{
    struct control_link *control = from_link(link);
    scheduler_host_gone(&link->server->scheduler, link);
    pe_log(PE_LOG_INFO, "control connection of host '%s' is closed", control->host);
    free(control);
}

void control_link_accept(struct server *server, h2o_req_t *req)
{
    static const struct link_events events = {on_text, on_bytes, nothing_to_do, nothing_to_do, on_closed};
    const char *client_key = NULL;
    if (!link_admit(server, req, &client_key))
        return;
    struct control_link *control = h2o_mem_alloc(sizeof *control);
    control->host[0] = '\0';
    link_open(&control->link, server, req, client_key, &events);
}
