/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of pe-lb. */
#ifndef PE_LB_SETTINGS_H
#define PE_LB_SETTINGS_H

#include "base/error.h"
#include "base/options.h"
#include "lb/core/audit.h"
#include "lb/core/client.h"
#include "lb/core/result_store.h"
#include "proto/runtimes.h"

#include <stdbool.h>
#include <stdint.h>

#define SETTINGS_NO_FD UINT64_MAX

struct settings {
    struct pe_option_list listen, listen_tls;
    const char *tls_certificate, *tls_key; /* PEM files */
    bool http2;
    const char *token_file; /* tokens of operators and workers; NULL: there are none */
    const char *tokens;     /* store of host tokens; NULL: there is none. Without both, any worker may join */
    const char *host_images; /* file with the images for new hosts; NULL: there is none */
    struct pe_option_list trusted_hosts;
    const char *key_file;      /* API keys of clients; NULL: there are none */
    const char *anonymous_use; /* "on", "off" or "limits" */
    bool allows_anonymous;

    uint64_t queue_jobs, queue_mib, queue_wait_ms;
    struct client_limits client;    /* of each address without a key: --rate, --burst, --client-jobs */
    struct client_limits anonymous; /* the same with --anonymous limits; zero members: those of `client` */
    struct pe_option_list trusted_proxies, cors_origins;
    uint64_t keep_addresses_min; /* how long the address of a client without jobs is known */
    const char *log_addresses;   /* "full", "short" or "none" */
    uint64_t client_connections; /* of one client at a time; 0: no limit */
    uint64_t head_ms, idle_ms;   /* time to send a request's head; time between two requests */
    uint64_t stall_ms;           /* time for which a client may take nothing of its response */

    uint64_t interactive_jobs;    /* at a time; 0: half of all slots */
    uint64_t interactive_idle_ms; /* how long one may be without input and output */
    uint64_t interactive_ms;      /* and how long it may run */

    uint64_t cases_ms;    /* the longest time limit of a job with stages */
    uint64_t cases_slots; /* over how many slots the cases of one may be spread */

    const char *audit_share;     /* as the operator wrote it; NULL: no job is audited */
    uint64_t audit_again_ms;     /* how long an audit waits before it asks a host again */
    uint64_t audit_drain;        /* after differences for how many clients a host is drained; 0: never */
    struct audit_settings audit; /* all of them, read */

    uint64_t keep_results_min; /* how old a result may be that answers a job; 0: no limit */
    uint64_t cache_mib, results_mib, poison_ms;
    bool cache_per_client;
    struct result_store_settings store;
    const char *playground_folder; /* NULL: that of the installation, if it exists */
    const char *spool_folder;      /* for large request bodies */

    uint64_t gather_ms, away_ms, handover_ms, drain_ms;
    struct pe_option_list piston_overrides;
    struct pe_runtime_limits piston; /* the default limits with these overrides */
    const char *otlp_endpoint;       /* of a collector of traces; NULL: none */
    const char *admin_token_file;    /* tokens of operators, for /admin; NULL: there is no such page */
    const char *log_format;
    uint64_t ready_fd;
    bool die_with_parent;
    bool doctor, json; /* `pe-lb doctor`, and --json */
};

/* Set the defaults, then parse the arguments. PE_ERR_INVALID names the argument that is wrong.
 * The strings belong to `argv`. The caller frees the lists, also after a failure. */
int settings_parse(struct settings *settings, int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
/* Free the lists. */
void settings_free(struct settings *settings);

#endif
