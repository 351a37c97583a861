/* SPDX-License-Identifier: Apache-2.0 */
/* Admission of workers, the memory that their messages may have, and the end of connections whose tokens were
 * revoked. */
#include "lb/workers/worker_context.h"

#include "base/log.h"
#include "lb/edge/connection.h"

#include <time.h>

/* Bytes of all messages of workers that arrive, or wait to be read. A message has up to PE_SLOT_TEXT_MAX, and
 * a worker with a token may have as many connections as the balancer. */
#define HELD_BYTES_MAX ((size_t)256 << 20)

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

/* ---- memory ---- */

static void hold(struct worker_context *context, struct worker_connection *connection, size_t arriving,
                 size_t kept)
{
    context->held += arriving + kept - connection->arriving - connection->kept;
    connection->arriving = arriving;
    connection->kept = kept;
}

static struct worker_connection *find_largest(const struct worker_context *context)
{
    struct worker_connection *largest = NULL;
    size_t most = 0;
    pe_list_for_each(node, &context->connections)
    {
        struct worker_connection *connection = pe_list_entry(node, struct worker_connection, in_connections);
        if (connection->arriving + connection->kept <= most)
            continue;
        largest = connection;
        most = connection->arriving + connection->kept;
    }
    return largest;
}

/* The other side is not waited for: the memory is needed now. */
static void cut_off(struct worker_context *context, struct worker_connection *connection)
{
    pe_log(
        PE_LOG_WARN,
        "messages of workers need over %zu MiB of memory: cutting off the connection of worker '%s', which "
        "has %zu KiB of them",
        HELD_BYTES_MAX >> 20, connection->name, (connection->arriving + connection->kept) >> 10);
    hold(context, connection, 0, 0);
    ws_server_kill(connection->ws);
}

void worker_connection_arriving(struct worker_context *context, struct worker_connection *connection,
                                size_t size)
{
    hold(context, connection, connection->arriving + size, connection->kept);
    struct worker_connection *largest = context->held > HELD_BYTES_MAX ? find_largest(context) : NULL;
    if (largest)
        cut_off(context, largest);
}

void worker_connection_arrived(struct worker_context *context, struct worker_connection *connection)
{
    hold(context, connection, 0, connection->kept);
}

void worker_connection_keeps(struct worker_context *context, struct worker_connection *connection,
                             size_t bytes)
{
    hold(context, connection, connection->arriving, bytes);
}

/* ---- life ---- */

static void note_seen(const struct worker_context *context, const struct worker_connection *connection,
                      int64_t now)
{
    if (!connection->is_registered || !connection->identity.host[0])
        return;
    struct host_token *token = host_tokens_find_token(&context->tokens->hosts, connection->identity.hash);
    if (token && token->seen < now)
        token->seen = now;
}

void worker_connection_closed(struct worker_context *context, struct worker_connection *connection)
{
    note_seen(context, connection, time(NULL));
    hold(context, connection, 0, 0);
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
