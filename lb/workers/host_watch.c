/* SPDX-License-Identifier: Apache-2.0 */
/* The timer that compares the connections of workers with the store of host tokens. */
#include "lb/workers/host_watch.h"

#include "base/io.h"
#include "base/log.h"
#include "lb/edge/host_membership.h"

#include <time.h>

enum { LOOK_MS = 1000 };

/* The precision of the time at which a host was connected last, if this process is killed. */
#define WRITE_US (300ull * 1000 * 1000)

static void write_seen(struct host_watch *watch)
{
    struct pe_error err;
    worker_connections_seen(watch->context, time(NULL));
    if (host_write_seen(watch->context->tokens, &err) < 0)
        pe_log(PE_LOG_WARN, "cannot write which hosts are connected: %s", err.message);
    watch->written_us = pe_now_us();
}

static void on_look(h2o_timeout_entry_t *entry)
{
    struct host_watch *watch = H2O_STRUCT_FROM_MEMBER(struct host_watch, entry, entry);
    struct tokens *tokens = watch->context->tokens;
    tokens_refresh(tokens);
    if (tokens->serial != watch->serial) {
        watch->serial = tokens->serial;
        worker_connections_check(watch->context);
    }
    if (pe_now_us() - watch->written_us >= WRITE_US)
        write_seen(watch);
    h2o_timeout_link(watch->context->ws.ctx->loop, &watch->timeout, &watch->entry);
}

void host_watch_init(struct host_watch *watch, struct worker_context *context)
{
    *watch = (struct host_watch){.context = context, .entry = {.cb = on_look}, .written_us = pe_now_us()};
    if (!context->tokens->folder)
        return;
    h2o_timeout_init(context->ws.ctx->loop, &watch->timeout, LOOK_MS);
    h2o_timeout_link(context->ws.ctx->loop, &watch->timeout, &watch->entry);
}

void host_watch_end(struct host_watch *watch)
{
    if (watch->context->tokens->folder)
        write_seen(watch);
}
