/* SPDX-License-Identifier: Apache-2.0 */
/* The table of options, their defaults, and checks of combinations. */
#include "lb/settings.h"

#include "lb/cases/request.h"
#include "lb/edge/host_tokens.h"
#include "lb/edge/peer.h"
#include "lb/piston/request.h"
#include "proto/limits.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define ENDPOINT_MAX 2000u /* span_sender.c appends a path */
#define MIB_MAX (1u << 24) /* upper bound of sizes in MiB, and of counts */

static const struct settings defaults = {
    .queue_jobs = 1000,
    .queue_mib = 512,
    .queue_wait_ms = 30000,
    .anonymous_use = "on",
    .keep_addresses_min = 1440,
    .log_addresses = "full",
    .client_connections = 512,
    .head_ms = 10000,
    .idle_ms = 75000,
    .stall_ms = 60000,
    .interactive_idle_ms = 300000,
    .interactive_ms = 1800000,
    .audit_again_ms = 61000,
    .cases_ms = PE_CASES_MS_DEFAULT,
    .cases_slots = 4,
    .cache_mib = 256,
    .results_mib = 512,
    .poison_ms = 300000,
    .store = {.disk_mib = 1024},
    .spool_folder = "/var/tmp",
    .gather_ms = 3000,
    .away_ms = 10000,
    .handover_ms = 500,
    .drain_ms = 200000,
    .log_format = "logfmt",
    .ready_fd = SETTINGS_NO_FD,
};

/* Parse each NAME=N of --piston-limit. */
static int parse_piston_limits(struct settings *settings, struct pe_error *err)
{
    settings->piston = piston_default_limits;
    for (size_t i = 0; i < settings->piston_overrides.count; i++) {
        const char *text = settings->piston_overrides.items[i], *equals = strchr(text, '=');
        char name[32] = "", names[PE_RUNTIME_LIMITS_TEXT], *end = NULL;
        long long value = equals ? strtoll(equals + 1, &end, 10) : 0;
        if (!equals || equals - text >= (ptrdiff_t)sizeof name || end == equals + 1 || *end)
            return pe_fail(err, PE_ERR_INVALID,
                           "--piston-limit expects NAME=N, not '%.64s'; the limits and their maxima are %s",
                           text, pe_runtime_limits_text(names));
        memcpy(name, text, (size_t)(equals - text));
        if (pe_runtime_limit_set(&settings->piston, name, value, err) < 0)
            return pe_fail_context(err, "--piston-limit");
    }
    return 0;
}

/* What clients without a key may do. "limits" has defaults, because an operator who asks for limits should
 * not be without one. */
static int check_anonymous(struct settings *settings, struct pe_error *err)
{
    static const struct client_limits usual = {.jobs = 2, .rate = 10, .cpu_s = 600};
    struct client_limits *limits = &settings->anonymous;
    bool has_limits = limits->jobs || limits->rate || limits->cpu_s;
    bool is_limits = !strcmp(settings->anonymous_use, "limits"),
         is_off = !strcmp(settings->anonymous_use, "off");
    if (!is_limits && !is_off && strcmp(settings->anonymous_use, "on") != 0)
        return pe_fail(err, PE_ERR_INVALID, "--anonymous expects on, off or limits, not '%s'",
                       settings->anonymous_use);
    if (has_limits && !is_limits)
        return pe_fail(err, PE_ERR_INVALID,
                       "--anonymous-jobs, --anonymous-rate and --anonymous-cpu-seconds "
                       "need --anonymous limits");
    if (is_off && !settings->key_file)
        return pe_fail(err, PE_ERR_INVALID,
                       "--anonymous off needs --key-file, because nobody could run a job otherwise");
    settings->allows_anonymous = !is_off;
    if (!is_limits) {
        *limits = settings->client;
        return 0;
    }
    limits->jobs = limits->jobs ? limits->jobs : usual.jobs;
    limits->rate = limits->rate ? limits->rate : usual.rate;
    limits->cpu_s = limits->cpu_s ? limits->cpu_s : usual.cpu_s;
    return 0;
}

/* Read "1%" or "0.5%". */
static int parse_audit(struct settings *settings, struct pe_error *err)
{
    const char *text = settings->audit_share;
    char *end = NULL;
    if (settings->audit_drain > AUDIT_CLIENTS_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--audit-drain must be at most %d", AUDIT_CLIENTS_MAX);
    if (settings->audit_drain && !text)
        return pe_fail(err, PE_ERR_INVALID, "--audit-drain needs --audit");
    if (settings->audit_again_ms > 300000)
        return pe_fail(err, PE_ERR_INVALID, "--audit-again-ms must be at most 300000");
    settings->audit.drain_after = (unsigned)settings->audit_drain;
    settings->audit.again_ms = (unsigned)settings->audit_again_ms;
    if (!text)
        return 0;
    const double percent = isdigit((unsigned char)text[0]) ? strtod(text, &end) : -1;
    if (!end || strcmp(end, "%") != 0 || percent < 0 || percent > 100)
        return pe_fail(err, PE_ERR_INVALID, "--audit expects a share of all jobs from 0%% to 100%%, not '%s'",
                       text);
    settings->audit.share = percent / 100;
    return 0;
}

static bool is_endpoint(const char *url)
{
    const size_t scheme = !strncmp(url, "http://", 7) ? 7 : !strncmp(url, "https://", 8) ? 8 : 0;
    return scheme && isgraph((unsigned char)url[scheme]) && url[scheme] != '/' && strlen(url) <= ENDPOINT_MAX;
}

/* Proxies and hosts that are trusted. They are read again where they are used. */
static int check_trust(const struct settings *settings, struct pe_error *err)
{
    struct peer_networks proxies = {0};
    const int failed = peer_networks_parse(&settings->trusted_proxies, &proxies, err);
    free(proxies.items);
    if (failed)
        return pe_fail_context(err, "--trusted-proxy");
    if (settings->trusted_hosts.count && !settings->tokens)
        return pe_fail(err, PE_ERR_INVALID,
                       "--trusted-host needs --tokens: a host is trusted only with a token of its own");
    for (size_t i = 0; i < settings->trusted_hosts.count; i++)
        if (host_name_check(settings->trusted_hosts.items[i], err) < 0)
            return pe_fail_context(err, "--trusted-host");
    return 0;
}

static int check_store(struct settings *settings, struct pe_error *err)
{
    if (settings->store.memcached.count && settings->store.redis.count)
        return pe_fail(err, PE_ERR_INVALID, "--memcached and --redis cannot be used together");
    settings->store.age_max_s = settings->keep_results_min * 60;
    return 0;
}

static int check_numbers(const struct settings *settings, struct pe_error *err)
{
    const uint64_t bounded[] = {
        settings->queue_jobs,         settings->queue_mib,        settings->cache_mib,
        settings->results_mib,        settings->client.rate,      settings->client.burst,
        settings->keep_addresses_min, settings->keep_results_min, settings->anonymous.jobs,
        settings->anonymous.rate,     settings->anonymous.cpu_s,  settings->store.disk_mib,
        settings->client_connections, settings->interactive_jobs};
    for (size_t i = 0; i < sizeof bounded / sizeof *bounded; i++)
        if (bounded[i] > MIB_MAX)
            return pe_fail(err, PE_ERR_INVALID, "%llu is out of range", (unsigned long long)bounded[i]);
    return 0;
}

static int check_times(const struct settings *settings, struct pe_error *err)
{
    const uint64_t times[] = {
        settings->queue_wait_ms, settings->poison_ms,          settings->gather_ms, settings->away_ms,
        settings->handover_ms,   settings->drain_ms,           settings->head_ms,   settings->idle_ms,
        settings->stall_ms,      settings->interactive_idle_ms};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (times[i] > INT32_MAX)
            return pe_fail(err, PE_ERR_INVALID, "%llu milliseconds are out of range",
                           (unsigned long long)times[i]);
    return 0;
}

static int check_jobs(const struct settings *settings, struct pe_error *err)
{
    if (settings->interactive_ms < 1 || settings->interactive_ms > PE_INTERACTIVE_MS_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--interactive-ms must be from 1 to %u", PE_INTERACTIVE_MS_MAX);
    if (settings->cases_ms < 1 || settings->cases_ms > PE_JOB_MS_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--cases-ms must be from 1 to %u", PE_JOB_MS_MAX);
    if (settings->cases_slots < 1 || settings->cases_slots > CASES_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--cases-slots must be from 1 to %u", CASES_MAX);
    return 0;
}

static int check_tls(const struct settings *settings, struct pe_error *err)
{
    if (settings->listen_tls.count && (!settings->tls_certificate || !settings->tls_key))
        return pe_fail(err, PE_ERR_INVALID, "--listen-tls needs --tls-cert and --tls-key");
    return 0;
}

/* The log, traces, and the descriptor for "ready". */
static int check_reports(const struct settings *settings, struct pe_error *err)
{
    if (strcmp(settings->log_addresses, "full") != 0 && strcmp(settings->log_addresses, "short") != 0 &&
        strcmp(settings->log_addresses, "none") != 0)
        return pe_fail(err, PE_ERR_INVALID, "--log-addresses expects full, short or none, not '%s'",
                       settings->log_addresses);
    if (strcmp(settings->log_format, "logfmt") != 0 && strcmp(settings->log_format, "json") != 0)
        return pe_fail(err, PE_ERR_INVALID, "--log-format expects logfmt or json");
    if (settings->otlp_endpoint && !is_endpoint(settings->otlp_endpoint))
        return pe_fail(err, PE_ERR_INVALID,
                       "--otlp-endpoint expects a URL with http:// or https:// and a host, of at most %u "
                       "characters",
                       ENDPOINT_MAX);
    if (settings->ready_fd != SETTINGS_NO_FD && settings->ready_fd > INT32_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--ready-fd is out of range");
    return 0;
}

/* What the table of options cannot say. Numbers are in their ranges before anything is computed with them. */
static int check(struct settings *settings, struct pe_error *err)
{
    if (check_numbers(settings, err) < 0 || check_times(settings, err) < 0 ||
        parse_piston_limits(settings, err) < 0 || parse_audit(settings, err) < 0 ||
        check_trust(settings, err) < 0 || check_store(settings, err) < 0 || check_jobs(settings, err) < 0 ||
        check_tls(settings, err) < 0 || check_reports(settings, err) < 0)
        return -1;
    return check_anonymous(settings, err);
}

static int parse_arguments(struct settings *settings, const struct pe_option *options, int argc, char **argv,
                           struct pe_error *err)
{
    const struct pe_program program = {
        .name = "pe-lb",
        .usage = "[OPTION]..., or pe-lb doctor [OPTION]..., or pe-lb key|token COMMAND [OPTION]...",
        .about = "Accepts jobs over HTTP, gives them to the slots of connected workers, and sends back the "
                 "results.",
        .options = options,
        .epilogue =
            "On SIGTERM and SIGINT, pe-lb finishes the running jobs and exits. A second signal ends it at "
            "once.\n"
            "On SIGHUP, it reads tokens, keys, certificates, --host-images and the playground again.\n"
            "Sockets from systemd are listened on as well, with TLS if their name is 'tls'.\n\n"
            "`pe-lb key` manages the API keys of clients, `pe-lb token` the tokens of hosts, and\n"
            "`pe-lb doctor` says what this machine offers for a balancer with these options.",
    };
    int rest = argc;
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0)
        return -1;
    if (rest < argc && !strcmp(argv[rest], "doctor")) {
        settings->doctor = true;
        rest++;
    }
    if (rest < argc)
        return pe_fail(err, PE_ERR_INVALID, "unexpected argument '%s'", argv[rest]);
    if (settings->json && !settings->doctor)
        return pe_fail(err, PE_ERR_INVALID, "--json is an option of `pe-lb doctor`");
    return 0;
}

static void add_connection_options(struct settings *s, struct pe_option_table *table)
{
    const struct pe_option options[] = {
        {"listen", 'l', "ADDRESS", "HOST:PORT or unix:PATH; repeatable (default 127.0.0.1:8080)",
         PE_OPTION_LIST, &s->listen},
        {"listen-tls", 0, "ADDRESS", "HOST:PORT or unix:PATH, with TLS; repeatable", PE_OPTION_LIST,
         &s->listen_tls},
        {"tls-cert", 0, "FILE", "certificate chain, PEM; read again on SIGHUP", PE_OPTION_TEXT,
         &s->tls_certificate},
        {"tls-key", 0, "FILE", "private key of the certificate, PEM; read again on SIGHUP", PE_OPTION_TEXT,
         &s->tls_key},
        {"http2", 0, NULL, "offer HTTP/2 over TLS (libh2o 2.2 lacks the fixes for rapid reset)",
         PE_OPTION_FLAG, &s->http2},
        {"token-file", 't', "FILE", "tokens of operators and workers, one per line; read again on SIGHUP",
         PE_OPTION_TEXT, &s->token_file},
        {"admin-token-file", 0, "FILE", "tokens of operators: serves /admin; read again on SIGHUP",
         PE_OPTION_TEXT, &s->admin_token_file},
        {"tokens", 0, "DIR", "store of the tokens of hosts, which `pe-lb token` changes", PE_OPTION_TEXT,
         &s->tokens},
        {"host-images", 0, "FILE",
         "URL of a store, and the images that new hosts fetch; read again on SIGHUP", PE_OPTION_TEXT,
         &s->host_images},
    };
    pe_option_table_add(table, options, sizeof options / sizeof *options);
}

static void add_client_options(struct settings *s, struct pe_option_table *table)
{
    const struct pe_option options[] = {
        {"trusted-host", 0, "NAME",
         "host, with a token of its own, that \"hosts\": \"trusted\" accepts; repeatable", PE_OPTION_LIST,
         &s->trusted_hosts},
        {"key-file", 0, "FILE", "API keys of clients, made by `pe-lb key new`; read again on SIGHUP",
         PE_OPTION_TEXT, &s->key_file},
        {"anonymous", 0, "MODE", "jobs without a key: on (default), off, or with limits of their own",
         PE_OPTION_TEXT, &s->anonymous_use},
        {"anonymous-jobs", 0, "N", "with --anonymous limits: jobs at a time from one address (default 2)",
         PE_OPTION_NUMBER, &s->anonymous.jobs},
        {"anonymous-rate", 0, "N", "with --anonymous limits: jobs per minute from one address (default 10)",
         PE_OPTION_NUMBER, &s->anonymous.rate},
        {"anonymous-cpu-seconds", 0, "N",
         "with --anonymous limits: CPU time of one address in a day (default 600)", PE_OPTION_NUMBER,
         &s->anonymous.cpu_s},
        {"rate", 0, "N", "maximum number of jobs per minute from one address (default: no limit)",
         PE_OPTION_NUMBER, &s->client.rate},
        {"burst", 0, "N", "how many of them may arrive at once (default: as --rate)", PE_OPTION_NUMBER,
         &s->client.burst},
        {"client-jobs", 0, "N", "maximum number of jobs at a time from one address (default: no limit)",
         PE_OPTION_NUMBER, &s->client.jobs},
        {"keep-addresses-min", 0, "N",
         "how long the address of a client without jobs is known, in minutes (default 1440)",
         PE_OPTION_NUMBER, &s->keep_addresses_min},
        {"log-addresses", 0, "DETAIL", "addresses in the log: full (default), short (their network) or none",
         PE_OPTION_TEXT, &s->log_addresses},
        {"client-connections", 0, "N",
         "maximum number of connections from one address, 0 for no limit (default 512)", PE_OPTION_NUMBER,
         &s->client_connections},
        {"trusted-proxy", 0, "NET", "address, network or 'unix' of a proxy that is trusted; repeatable",
         PE_OPTION_LIST, &s->trusted_proxies},
        {"cors-origin", 0, "ORIGIN", "origin whose pages may use the service, or '*'; repeatable",
         PE_OPTION_LIST, &s->cors_origins},
    };
    pe_option_table_add(table, options, sizeof options / sizeof *options);
}

static void add_job_options(struct settings *s, struct pe_option_table *table)
{
    const struct pe_option options[] = {
        {"queue-jobs", 0, "N", "maximum number of jobs that wait for a slot (default 1000)", PE_OPTION_NUMBER,
         &s->queue_jobs},
        {"queue-mib", 0, "N", "maximum size of all jobs that wait, in MiB (default 512)", PE_OPTION_NUMBER,
         &s->queue_mib},
        {"queue-wait-ms", 0, "N", "maximum time that a job waits for a slot (default 30000)",
         PE_OPTION_NUMBER, &s->queue_wait_ms},
        {"header-timeout-ms", 0, "N", "time to send the head of a request (default 10000)", PE_OPTION_NUMBER,
         &s->head_ms},
        {"idle-timeout-ms", 0, "N", "time between two requests of a connection (default 75000)",
         PE_OPTION_NUMBER, &s->idle_ms},
        {"stall-timeout-ms", 0, "N", "time for which a client may read nothing of a response (default 60000)",
         PE_OPTION_NUMBER, &s->stall_ms},
        {"interactive-jobs", 0, "N",
         "maximum number of interactive jobs at a time, 0 for half of all slots (default 0)",
         PE_OPTION_NUMBER, &s->interactive_jobs},
        {"interactive-idle-ms", 0, "N",
         "how long an interactive job may be without input and output (default 300000)", PE_OPTION_NUMBER,
         &s->interactive_idle_ms},
        {"interactive-ms", 0, "N", "how long an interactive job may run (default 1800000)", PE_OPTION_NUMBER,
         &s->interactive_ms},
        {"cases-ms", 0, "N", "time limits of all stages and cases of a job together (default 600000)",
         PE_OPTION_NUMBER, &s->cases_ms},
        {"audit", 0, "SHARE",
         "run this share of jobs, as 1%, on two hosts, and compare the results (default: none)",
         PE_OPTION_TEXT, &s->audit_share},
        {"audit-again-ms", 0, "N",
         "how long an audit waits before the same host runs the job again (default 61000)", PE_OPTION_NUMBER,
         &s->audit_again_ms},
        {"audit-drain", 0, "N", "drain a host whose results differed for N clients, 0 for never (default 0)",
         PE_OPTION_NUMBER, &s->audit_drain},
        {"cases-slots", 0, "N", "over how many slots the cases of a job may be spread (default 4)",
         PE_OPTION_NUMBER, &s->cases_slots},
    };
    pe_option_table_add(table, options, sizeof options / sizeof *options);
}

static void add_result_options(struct settings *s, struct pe_option_table *table)
{
    const struct pe_option options[] = {
        {"cache-mib", 0, "N", "size of the result cache in memory, in MiB (default 256)", PE_OPTION_NUMBER,
         &s->cache_mib},
        {"cache-per-client", 0, NULL, "answer an address only with results of its own jobs", PE_OPTION_FLAG,
         &s->cache_per_client},
        {"cache-dir", 0, "DIR", "directory for results that survive a restart (default: none)",
         PE_OPTION_TEXT, &s->store.folder},
        {"cache-disk-mib", 0, "N", "size of the results in that directory, in MiB (default 1024)",
         PE_OPTION_NUMBER, &s->store.disk_mib},
        {"memcached", 0, "HOST:PORT", "memcached server that shares results between balancers; repeatable",
         PE_OPTION_LIST, &s->store.memcached},
        {"redis", 0, "HOST:PORT",
         "server of Redis or Valkey that shares them instead, or unix:PATH; repeatable", PE_OPTION_LIST,
         &s->store.redis},
        {"keep-results-min", 0, "N",
         "how long results are kept at most, in minutes; 0 for as long as there is room (default 0)",
         PE_OPTION_NUMBER, &s->keep_results_min},
        {"redis-password-file", 0, "FILE", "file with the password of the servers of --redis", PE_OPTION_TEXT,
         &s->store.redis_password_file},
        {"results-mib", 0, "N", "size of results that slow clients have not read, in MiB (default 512)",
         PE_OPTION_NUMBER, &s->results_mib},
        {"poison-ms", 0, "N", "how long a job that killed three slots is held back (default 300000)",
         PE_OPTION_NUMBER, &s->poison_ms},
    };
    pe_option_table_add(table, options, sizeof options / sizeof *options);
}

static void add_process_options(struct settings *s, struct pe_option_table *table)
{
    const struct pe_option options[] = {
        {"spool-dir", 0, "DIR", "directory for request bodies over 4 MiB (default /var/tmp)", PE_OPTION_TEXT,
         &s->spool_folder},
        {"playground", 0, "DIR", "page to serve at / (default: the installed one); read again on SIGHUP",
         PE_OPTION_TEXT, &s->playground_folder},
        {"gather-ms", 0, "N", "how long jobs wait for workers after the start (default 3000)",
         PE_OPTION_NUMBER, &s->gather_ms},
        {"away-ms", 0, "N", "how long a worker whose registration was lost is expected back (default 10000)",
         PE_OPTION_NUMBER, &s->away_ms},
        {"handover-ms", 0, "N", "how long connections are accepted after SIGTERM (default 500)",
         PE_OPTION_NUMBER, &s->handover_ms},
        {"drain-ms", 0, "N", "how long running jobs may take after that (default 200000)", PE_OPTION_NUMBER,
         &s->drain_ms},
        {"piston-limit", 0, "NAME=N", "limit of /api/v2 by Piston's name, as run_timeout=5000; repeatable",
         PE_OPTION_LIST, &s->piston_overrides},
        {"otlp-endpoint", 0, "URL", "collector of traces, which gets spans at URL/v1/traces (default: none)",
         PE_OPTION_TEXT, &s->otlp_endpoint},
        {"log-format", 0, "FORMAT", "logfmt (default) or json", PE_OPTION_TEXT, &s->log_format},
        {"ready-fd", 0, "FD", "write \"ready\\n\" to this file descriptor after the start, and close it",
         PE_OPTION_NUMBER, &s->ready_fd},
        {"json", 0, NULL, "print what `doctor` says as JSON, for scripts", PE_OPTION_FLAG, &s->json},
        {"die-with-parent", 0, NULL, "exit when the process that started this one exits", PE_OPTION_FLAG,
         &s->die_with_parent},
    };
    pe_option_table_add(table, options, sizeof options / sizeof *options);
}

int settings_parse(struct settings *s, int argc, char **argv, struct pe_error *err)
{
    struct pe_option_table table = {.count = 0};
    *s = defaults;
    add_connection_options(s, &table);
    add_client_options(s, &table);
    add_job_options(s, &table);
    add_result_options(s, &table);
    add_process_options(s, &table);
    return parse_arguments(s, table.items, argc, argv, err) < 0 ? -1 : check(s, err);
}

void settings_free(struct settings *settings)
{
    pe_option_list_free(&settings->listen);
    pe_option_list_free(&settings->listen_tls);
    pe_option_list_free(&settings->trusted_proxies);
    pe_option_list_free(&settings->trusted_hosts);
    pe_option_list_free(&settings->cors_origins);
    pe_option_list_free(&settings->piston_overrides);
    pe_option_list_free(&settings->store.memcached);
    pe_option_list_free(&settings->store.redis);
}
