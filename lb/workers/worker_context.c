/* SPDX-License-Identifier: Apache-2.0 */
/* Admission of workers, and the end of connections whose tokens were revoked. */
#include "lb/workers/worker_context.h"

#include "base/log.h"
#include "lb/edge/connection.h"

#include <time.h>

static bool is_listed(const struct worker_context *context, const char *name)
{
    const struct pe_option_list *hosts = context->trusted_hosts;
    for (size_t i = 0; hosts && i < hosts->count; i++)
        if (!strcmp(hosts->items[i], name))
            return true;
    return false;
}

bool worker_is_trusted(const struct worker_context *context, const struct worker_connection *connection,
                       const char *name)
{
    return is_listed(context, name) && !strcmp(connection->identity.host, name);
}

bool worker_admit(const struct worker_context *context, h2o_req_t *req, struct worker_connection *connection,
                  const char **client_key)
{
    if (!tokens_admit(context->tokens, req, &connection->identity)) {
        pe_log(PE_LOG_WARN, "a worker without a valid token was refused");
        return false;
    }
    if (!ws_server_check_handshake(&context->ws, req, client_key))
        return false;
    if (context->tokens->required)
        connection_is_of_worker(connection_of_request(req));
    return true;
}

void worker_connection_opened(struct worker_context *context, struct worker_connection *connection)
{
    pe_list_append(&context->connections, &connection->in_connections);
}

static void note_seen(const struct worker_context *context, const struct worker_connection *connection,
                      int64_t now)
{
    if (!connection->is_registered || !connection->identity.host[0])
        return;
    struct host_token *token = host_tokens_find_token(&context->tokens->hosts, connection->identity.hash);
    if (token && token->seen < now)
        token->seen = now;
}

void worker_connection_closed(const struct worker_context *context, struct worker_connection *connection)
{
    note_seen(context, connection, time(NULL));
    pe_list_remove(&connection->in_connections);
}

/* A refused connection is closed later, so the list does not change meanwhile. */
void worker_connections_check(const struct worker_context *context)
{
    pe_list_for_each(node, &context->connections)
    {
        struct worker_connection *connection = pe_list_entry(node, struct worker_connection, in_connections);
        struct pe_error err;
        if (!tokens_are_valid_for(context->tokens, &connection->identity))
            connection->refuse(connection, "the token of this host was revoked");
        else if (connection->name[0] &&
                 tokens_check_name(context->tokens, &connection->identity, connection->name, &err) < 0)
            connection->refuse(connection, err.message);
    }
}

void worker_connections_seen(const struct worker_context *context, int64_t now)
{
    pe_list_for_each(node, &context->connections)
    {
        note_seen(context, pe_list_entry(node, struct worker_connection, in_connections), now);
    }
}
