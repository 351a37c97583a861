/* SPDX-License-Identifier: Apache-2.0 */
/* The balancer as one process: libh2o's event loop, and the objects of all layers. There is one
 * thread, and all code runs in callbacks of the loop. Only the files directly in lb/ see this
 * struct; each layer below has a context of its own. */
#ifndef PE_LB_SERVER_H
#define PE_LB_SERVER_H

#include "base/error.h"
#include "lb/api/access.h"
#include "lb/api/body_stream.h"
#include "lb/api/exchange.h"
#include "lb/api/host_images.h"
#include "lb/api/live_session.h"
#include "lb/api/metrics_page.h"
#include "lb/api/static_files.h"
#include "lb/core/audit.h"
#include "lb/core/byte_budget.h"
#include "lb/core/cache.h"
#include "lb/core/client.h"
#include "lb/core/deadlines.h"
#include "lb/core/dispatch.h"
#include "lb/core/job.h"
#include "lb/core/metrics.h"
#include "lb/core/poison.h"
#include "lb/core/presence.h"
#include "lb/core/recent_errors.h"
#include "lb/core/result_store.h"
#include "lb/core/scheduler.h"
#include "lb/core/span_export.h"
#include "lb/edge/connection.h"
#include "lb/edge/h2o.h"
#include "lb/edge/listener.h"
#include "lb/edge/peer.h"
#include "lb/edge/tokens.h"
#include "lb/h2o_loop.h"
#include "lb/mcp/mcp.h"
#include "lb/piston/piston.h"
#include "lb/settings.h"
#include "lb/workers/host_watch.h"
#include "lb/workers/worker_context.h"

#include <stdbool.h>

struct server {
    const struct settings *settings;
    h2o_globalconf_t config;
    h2o_context_t ctx;
    struct h2o_loop loop;

    /* core */
    struct scheduler scheduler;
    struct dispatch dispatch;
    struct presence presence;
    struct deadlines deadlines;
    struct clients clients;
    struct cache cache;
    struct result_store store;
    struct span_export spans;
    struct poison poison;
    struct metrics metrics;
    struct recent_errors errors;
    struct byte_budget budget;
    struct jobs jobs;
    struct audit audit;

    /* edge */
    h2o_socket_t *signals; /* lives as long as the process */
    struct connections connections;
    struct listeners listeners;
    struct tokens tokens;
    struct tokens admin_tokens;   /* of --admin-token-file; none are required without that */
    struct peer_networks trusted; /* proxies */
    struct access access;

    struct worker_context workers;
    struct host_watch host_watch;

    /* api, piston and mcp */
    struct body_streams streams;
    struct exchanges exchanges;
    struct live_sessions sessions;
    struct host_images host_images;
    struct static_files *playground; /* NULL: there is no page */
    struct metrics_sources metrics_sources;
    struct piston piston;
    struct mcp mcp;

    h2o_timeout_t minute; /* old addresses are forgotten */
    h2o_timeout_entry_t minute_entry;

    /* start and end */
    h2o_timeout_t gather;   /* workers may connect after the start */
    h2o_timeout_t handover; /* connections that were made before SIGTERM are accepted */
    h2o_timeout_t drain;    /* running jobs may finish after that */
    h2o_timeout_entry_t phase_entry;
    bool terminating; /* SIGTERM was received */
    bool draining;    /* nothing is accepted any more: no new jobs */
    bool stopped;     /* the loop ends */
};

/* Set up everything except the listeners, once in a process. `server` must stay where it is, and `settings`
 * must outlive it. A file of the settings that cannot be used is the error of its reader (tokens_read(),
 * api_keys_read(), host_images_read(), static_files_read(), tokens_use_hosts()); otherwise fails as
 * connections_init(), span_export_init() and result_store_init() do. The process ends after a failure. */
int server_init(struct server *server, const struct settings *settings, struct pe_error *err) PE_MUST_CHECK;

/* Serve until a signal arrives, and then until the running jobs have finished. PE_ERR_INTERNAL if the event
 * loop fails. */
int server_run(struct server *server, struct pe_error *err) PE_MUST_CHECK;

/* routes.c: configure libh2o, with the functions that handle requests. */
void server_configure(struct server *server);

#endif
