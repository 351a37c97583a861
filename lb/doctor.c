/* SPDX-License-Identifier: Apache-2.0 */
/* The report of `pe-lb doctor`. What it says about the machine itself is in doctor/host_checks.c. */
#include "lb/doctor.h"

#include "base/cleanup.h"
#include "base/private_file.h"
#include "doctor/host_checks.h"
#include "doctor/report.h"
#include "lb/api/host_images.h"
#include "lb/api/static_files.h"
#include "lb/core/api_keys.h"
#include "lb/edge/host_tokens.h"
#include "lb/edge/listener.h"
#include "lb/edge/tls.h"
#include "lb/edge/tokens.h"

#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FILES_WANTED 65536u   /* docs/operations.md, bounds */
#define SPOOL_MIB_WANTED 512u /* the bodies of a few hundred large requests */
#define CERTIFICATE_DAYS 14   /* below that, somebody has forgotten it */
#define CONNECT_MS 2000
#define OWN_MIB 64u /* of an idle balancer */

/* ---- what clients and workers reach ---- */

static void say_address(struct doctor_report *report, const char *where)
{
    struct pe_error why;
    if (listeners_try(where, &why) == 0)
        doctor_say(report, DOCTOR_OK, "listen", "listen: %s can be used", where);
    else if (why.kind == PE_ERR_INVALID)
        doctor_say_unusable(report, "listen", "listen: %s", why.message);
    else
        doctor_say_unusable(report, "listen",
                            "listen: %s; ports below 1024 need root or CAP_NET_BIND_SERVICE, and `ss -ltnp` "
                            "shows who has a port",
                            why.message);
}

static void say_addresses(struct doctor_report *report, const struct settings *settings)
{
    for (size_t i = 0; i < settings->listen.count; i++)
        say_address(report, settings->listen.items[i]);
    for (size_t i = 0; i < settings->listen_tls.count; i++)
        say_address(report, settings->listen_tls.items[i]);
    if (!settings->listen.count && !settings->listen_tls.count)
        say_address(report, "127.0.0.1:8080");
}

static void say_tls(struct doctor_report *report, const struct settings *settings)
{
    struct pe_error why;
    if (!settings->tls_certificate || !settings->tls_key) {
        doctor_say(
            report, settings->listen_tls.count ? DOCTOR_MISSING : DOCTOR_OK, "tls",
            "TLS: there is none (--listen-tls, --tls-cert, --tls-key); for clients and workers on other "
            "machines, use it here or in a proxy");
        return;
    }
    SSL_CTX *context = tls_context(settings->tls_certificate, settings->tls_key, false, &why);
    if (!context) {
        doctor_say_unusable(report, "tls", "%s", why.message);
        return;
    }
    const int days = tls_days_left(context);
    SSL_CTX_free(context);
    if (days < 0)
        doctor_say_unusable(report, "tls",
                            "TLS: the certificate in %s has expired; renew it, and reload pe-lb",
                            settings->tls_certificate);
    else
        doctor_say(report, days < CERTIFICATE_DAYS ? DOCTOR_WARNING : DOCTOR_OK, "tls",
                   "TLS: certificate and key fit, and the certificate is valid for %d days%s", days,
                   days < CERTIFICATE_DAYS ? "; renew it, and reload pe-lb" : "");
}

static void say_token_file(struct doctor_report *report, const char *option, const char *file)
{
    struct tokens tokens = {.count = 0};
    struct pe_error why;
    if (tokens_read(&tokens, file, &why) < 0)
        doctor_say_unusable(report, "tokens", "tokens: %s: %s", option, why.message);
    else
        doctor_say(report, DOCTOR_OK, "tokens", "tokens: %zu in %s", tokens.count, file);
}

static void say_host_tokens(struct doctor_report *report, const char *folder)
{
    host_autotokens struct host_tokens hosts = {0};
    struct pe_error why;
    if (host_tokens_read(folder, &hosts, &why) < 0)
        doctor_say_unusable(report, "tokens", "tokens: --tokens: %s", why.message);
    else
        doctor_say(report, DOCTOR_OK, "tokens", "tokens: %zu host%s joined or may join, in %s", hosts.count,
                   hosts.count == 1 ? " has" : "s have", folder);
}

static void say_tokens(struct doctor_report *report, const struct settings *settings)
{
    if (settings->token_file)
        say_token_file(report, "--token-file", settings->token_file);
    else if (!settings->tokens)
        doctor_say(report, DOCTOR_WARNING, "tokens",
                   "tokens: without --token-file or --tokens, anyone who can connect may join as a worker; "
                   "`openssl rand -hex 32` makes a token");
    if (settings->tokens)
        say_host_tokens(report, settings->tokens);
    if (settings->admin_token_file)
        say_token_file(report, "--admin-token-file", settings->admin_token_file);
}

static void say_keys(struct doctor_report *report, const char *file)
{
    struct api_keys keys = {0};
    struct pe_error why;
    if (api_keys_read(&keys, file, &why) < 0)
        doctor_say_unusable(report, "keys", "API keys: --key-file: %s", why.message);
    else
        doctor_say(report, DOCTOR_OK, "keys", "API keys: %zu in %s", keys.count, file);
    api_keys_free(&keys);
}

static void say_playground(struct doctor_report *report, const char *folder)
{
    struct static_files *files = NULL;
    struct pe_error why;
    if (static_files_read(&files, folder, &why) < 0)
        doctor_say_unusable(report, "playground", "playground: --playground: %s", why.message);
    else
        doctor_say(report, DOCTOR_OK, "playground", "playground: the page in %s can be served", folder);
    static_files_unref(files);
}

static void say_host_images(struct doctor_report *report, const char *file)
{
    struct host_images images = {.json = NULL};
    struct pe_error why;
    if (host_images_read(&images, file, &why) < 0)
        doctor_say_unusable(report, "images", "images for hosts: %s", why.message);
    else
        doctor_say(report, DOCTOR_OK, "images", "images for hosts: they are fetched from %s",
                   json_string_value(json_object_get(images.json, "store")));
    json_decref(images.json);
}

/* ---- what the balancer needs ---- */

static void say_files(struct doctor_report *report)
{
    struct rlimit limit = {.rlim_max = 0};
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    if (limit.rlim_max >= FILES_WANTED)
        doctor_say(report, DOCTOR_OK, "files", "open files: the limit is at least %u", FILES_WANTED);
    else
        doctor_say(report, DOCTOR_WARNING, "files",
                   "open files: the limit is %llu, and about half as many connections can be open; "
                   "LimitNOFILE=%u in the unit, or `ulimit -Hn`, raises it",
                   (unsigned long long)limit.rlim_max, FILES_WANTED);
}

static void say_folder(struct doctor_report *report, const char *id, const char *option, const char *folder,
                       uint64_t needed_mib)
{
    struct statvfs status;
    if (access(folder, W_OK | X_OK) < 0 || statvfs(folder, &status) < 0) {
        doctor_say_unusable(report, id,
                            "%s: %s cannot be written to; make it, and give it to the user of pe-lb", option,
                            folder);
        return;
    }
    const uint64_t free_mib = (uint64_t)status.f_bavail * status.f_frsize >> 20;
    if (free_mib < needed_mib)
        doctor_say(report, DOCTOR_WARNING, id, "%s: %llu MiB are free in %s, and it can use %llu MiB", option,
                   (unsigned long long)free_mib, folder, (unsigned long long)needed_mib);
    else
        doctor_say(report, DOCTOR_OK, id, "%s: %llu MiB are free in %s", option, (unsigned long long)free_mib,
                   folder);
}

static void free_addresses(struct addrinfo **addresses)
{
    if (*addresses)
        freeaddrinfo(*addresses);
}

/* Whether somebody accepts connections at an address. */
static int reach(const char *host, const char *port)
{
    __attribute__((cleanup(free_addresses))) struct addrinfo *addresses = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    if (getaddrinfo(host, port, &hints, &addresses))
        return -1;
    for (const struct addrinfo *address = addresses; address; address = address->ai_next) {
        pe_autoclose int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int error = 0;
        socklen_t size = sizeof error;
        if (fd < 0)
            continue;
        int connected = connect(fd, address->ai_addr, address->ai_addrlen);
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        if (connected < 0 && poll(&wait, 1, CONNECT_MS) == 1 &&
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && !error)
            connected = 0;
        if (connected == 0)
            return 0;
    }
    return -1;
}

static void say_shared(struct doctor_report *report, const char *kind, const char *where)
{
    pe_autofree char *host = strdup(where);
    char *colon = host ? strrchr(host, ':') : NULL;
    if (colon)
        *colon = '\0';
    if (colon && reach(host, colon + 1) == 0)
        doctor_say(report, DOCTOR_OK, kind, "%s: %s answers", kind, where);
    else
        doctor_say(report, DOCTOR_WARNING, kind,
                   "%s: nobody answers at %s within %d s, so balancers do not share results; start it, "
                   "or look at firewalls",
                   kind, where, CONNECT_MS / 1000);
}

static void say_redis_password(struct doctor_report *report, const char *file)
{
    struct pe_error why;
    if (pe_private_file_check_path(file, &why) < 0)
        doctor_say_unusable(report, "redis", "redis: --redis-password-file: %s", why.message);
}

static void say_needs(struct doctor_report *report, const struct settings *settings)
{
    host_say_memory(report, "", settings->queue_mib + settings->cache_mib + settings->results_mib + OWN_MIB,
                    "a balancer with these --queue-mib, --cache-mib and --results-mib", "make them smaller");
    say_files(report);
    say_folder(report, "spool", "--spool-dir", settings->spool_folder, SPOOL_MIB_WANTED);
    if (settings->store.folder)
        say_folder(report, "cache", "--cache-dir", settings->store.folder, settings->store.disk_mib);
    for (size_t i = 0; i < settings->store.memcached.count; i++)
        say_shared(report, "memcached", settings->store.memcached.items[i]);
    for (size_t i = 0; i < settings->store.redis.count; i++)
        if (strncmp(settings->store.redis.items[i], "unix:", 5) != 0)
            say_shared(report, "redis", settings->store.redis.items[i]);
    if (settings->store.redis_password_file)
        say_redis_password(report, settings->store.redis_password_file);
    host_say_clock(report);
    host_say_side_channels(report, "");
}

int doctor_run(const struct settings *settings, struct pe_error *err)
{
    struct doctor_report *report = doctor_report_new("pe-lb", settings->json, err);
    if (!report)
        return -1;
    doctor_section(report, "What clients and workers reach");
    say_addresses(report, settings);
    say_tls(report, settings);
    say_tokens(report, settings);
    if (settings->key_file)
        say_keys(report, settings->key_file);
    if (settings->host_images)
        say_host_images(report, settings->host_images);
    if (settings->playground_folder)
        say_playground(report, settings->playground_folder);
    doctor_section(report, "What the balancer needs");
    say_needs(report, settings);
    const int status = doctor_finish(report, "A balancer can run here", "No balancer can run here");
    doctor_report_free(report);
    return status;
}
