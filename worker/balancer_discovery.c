/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up names. The lists of addresses are sorted, because name servers give them in any order. */
#include "worker/balancer_discovery.h"

#include "base/io.h"
#include "base/log.h"
#include "worker/balancer_link.h"
#include "worker/stop_signal.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <curl/curl.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define SERVICE_PREFIX "_pe-worker._tcp."

#define NOTHING_FOUND_MS 2000u /* between two looks, as long as there is no balancer */

enum { ANSWER_MAX = 16384, HOST_SIZE = 256 };

struct balancer_list *balancer_discovery_share(struct pe_error *err)
{
    void *memory =
        mmap(NULL, sizeof(struct balancer_list), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED)
        return memory;
    pe_fail_errno(err, "cannot share the list of balancers");
    return NULL;
}

void balancer_discovery_unshare(struct worker_config *config)
{
    munmap(config->discovered, sizeof *config->discovered);
    config->discovered = NULL;
}

bool balancer_discovery_is_needed(const struct worker_config *config)
{
    for (size_t i = 0; i < config->server_count; i++)
        if (balancer_is_name(config->servers[i]))
            return true;
    return false;
}

static void keep(struct balancer_list *list, const char *url, const char *address)
{
    if (!balancer_list_add(list, url, address))
        pe_log(PE_LOG_WARN, "%s%s%s is not used: a worker connects to at most %d balancers", url,
               address[0] ? " at " : "", address, BALANCERS_MAX);
}

/* ---- addresses of a host ---- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The host of a URL, without the brackets of an IPv6 address. */
static int host_of(const char *url, char host[HOST_SIZE], struct pe_error *err)
{
    CURLU *parts = curl_url();
    char *text = NULL;
    bool found = parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
                 curl_url_get(parts, CURLUPART_HOST, &text, 0) == CURLUE_OK && strlen(text) < HOST_SIZE;
    if (found)
        memcpy(host, text, strlen(text) + 1);
    curl_free(text);
    curl_url_cleanup(parts);
    return found ? 0 : pe_fail(err, PE_ERR_INVALID, "%s has no name of a host", url);
}

/* The addresses of one family: that of the address which the system prefers. A host with an address of each
 * is one balancer. */
static size_t list_addresses(const struct addrinfo *found, char (*addresses)[BALANCER_ADDRESS_SIZE])
{
    size_t count = 0;
    for (const struct addrinfo *at = found; at && count < BALANCERS_MAX; at = at->ai_next)
        if (at->ai_family == found->ai_family &&
            getnameinfo(at->ai_addr, at->ai_addrlen, addresses[count], BALANCER_ADDRESS_SIZE, NULL, 0,
                        NI_NUMERICHOST) == 0)
            count++;
    qsort(addresses, count, sizeof *addresses, compare_texts);
    return count;
}

/* A host with one address is left to libcurl, which looks it up for each connection. */
static int add_host(const char *url, struct balancer_list *list, struct pe_error *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char host[HOST_SIZE], addresses[BALANCERS_MAX][BALANCER_ADDRESS_SIZE];
    struct addrinfo *found = NULL;
    if (host_of(url, host, err) < 0)
        return -1;
    int code = getaddrinfo(host, NULL, &hints, &found);
    if (code != 0)
        return pe_fail(err, PE_ERR_NOT_FOUND, "%s: %s", host, gai_strerror(code));
    size_t count = list_addresses(found, addresses);
    freeaddrinfo(found);
    for (size_t i = 0; i < count; i++)
        keep(list, url, count > 1 ? addresses[i] : "");
    return 0;
}

/* ---- targets of a service ---- */

struct target {
    unsigned priority;
    char url[BALANCER_URL_SIZE];
};

static int compare_targets(const void *a, const void *b)
{
    const struct target *x = a, *y = b;
    return x->priority != y->priority ? (x->priority > y->priority) - (x->priority < y->priority)
                                      : strcmp(x->url, y->url);
}

/* A name of a host in a URL. Names in DNS may have any bytes. */
static bool is_host(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    return name[0] && !name[strspn(name, allowed)];
}

/* Read one record (RFC 2782): priority, weight, port, and the name of the target. Returns 1 if it is one that
 * can be used, 0 if not, and -1 if it is malformed. */
static int read_target(const ns_msg *message, const ns_rr *record, const char *scheme, struct target *target)
{
    const uint8_t *data = ns_rr_rdata(*record);
    char name[NS_MAXDNAME];
    if (ns_rr_type(*record) != ns_t_srv)
        return 0;
    if (ns_rr_rdlen(*record) < 7 ||
        ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), data + 6, name, sizeof name) < 0)
        return -1;
    size_t length = strlen(name);
    if (length && name[length - 1] == '.')
        name[length - 1] = '\0';
    target->priority = ns_get16(data);
    int size = snprintf(target->url, sizeof target->url, "%s://%s:%u", scheme, name, ns_get16(data + 4));
    return is_host(name) && size > 0 && (size_t)size < sizeof target->url;
}

int balancer_discovery_read_targets(const uint8_t *answer, size_t size, const char *scheme,
                                    struct balancer_list *list, struct pe_error *err)
{
    enum { TARGETS_MAX = 64 };
    struct target targets[TARGETS_MAX];
    size_t count = 0;
    ns_msg message;
    if (size > ANSWER_MAX || ns_initparse(answer, (int)size, &message) < 0)
        return pe_fail(err, PE_ERR_MALFORMED, "the answer of the name server cannot be read");
    for (int i = 0; i < ns_msg_count(message, ns_s_an) && count < TARGETS_MAX; i++) {
        ns_rr record;
        int is_target = ns_parserr(&message, ns_s_an, i, &record) < 0
                            ? -1
                            : read_target(&message, &record, scheme, &targets[count]);
        if (is_target < 0)
            return pe_fail(err, PE_ERR_MALFORMED, "the answer of the name server has a malformed record");
        count += is_target > 0;
    }
    qsort(targets, count, sizeof *targets, compare_targets);
    for (size_t i = 0; i < count && targets[i].priority == targets[0].priority; i++)
        keep(list, targets[i].url, "");
    return 0;
}

static int add_service(const char *server, struct balancer_list *list, struct pe_error *err)
{
    static uint8_t answer[ANSWER_MAX];
    char name[BALANCER_URL_SIZE + sizeof SERVICE_PREFIX];
    const char *host = strstr(server, "://") + 3;
    const char *scheme = strncmp(server, "https+", 6) == 0 ? "https" : "http";
    snprintf(name, sizeof name, SERVICE_PREFIX "%.*s", (int)strcspn(host, "/:"), host);
    int size = res_query(name, ns_c_in, ns_t_srv, answer, sizeof answer);
    if (size < 0)
        return pe_fail(err, PE_ERR_NOT_FOUND, "%s has no SRV record: %s", name, hstrerror(h_errno));
    return balancer_discovery_read_targets(
        answer, (size_t)size < sizeof answer ? (size_t)size : sizeof answer, scheme, list, err);
}

/* ---- the process ---- */

/* What a server stood for before, as far as its addresses tell; a service keeps nothing, because others may
 * name the same targets. */
static void keep_old(const struct worker_config *config, const char *server, struct balancer_list *list)
{
    for (size_t i = 0; i < config->balancers.count; i++)
        if (!strcmp(config->balancers.items[i].url, server))
            keep(list, server, config->balancers.items[i].address);
}

/* Returns false if a service could not be looked up: then nothing may be changed, unless it is the first
 * time. */
static bool look_up(const struct worker_config *config, struct balancer_list *list)
{
    bool complete = true;
    *list = (struct balancer_list){.count = 0};
    for (size_t i = 0; i < config->server_count; i++) {
        const char *server = config->servers[i];
        struct pe_error err;
        int failed = 0;
        if (balancer_is_service(server))
            failed = add_service(server, list, &err);
        else if (balancer_is_name(server))
            failed = add_host(server, list, &err);
        else
            keep(list, server, "");
        if (!failed)
            continue;
        pe_log(PE_LOG_WARN, "cannot look up the balancer %s: %s", server, err.message);
        keep_old(config, server, list);
        complete &= !balancer_is_service(server);
    }
    return complete;
}

int balancer_discovery_main(const struct worker_config *config)
{
    struct balancer_list list;
    struct pe_error err;
    bool is_first = !config->balancers_are_known;
    prctl(PR_SET_NAME, "pe-discovery");
    if (balancer_link_drop_rights(config, getppid(), "the search for balancers", &err) < 0) {
        pe_log(PE_LOG_ERROR, "%s", err.message);
        return 1;
    }
    while (!stop_requested) {
        if (!is_first)
            stop_signal_sleep(config->balancers.count ? BALANCER_DISCOVERY_MS : NOTHING_FOUND_MS);
        bool complete = look_up(config, &list);
        if (is_first || (complete && !balancer_list_equals(&list, &config->balancers)))
            break;
    }
    *config->discovered = list;
    return stop_requested ? 0 : BALANCER_DISCOVERY_CHANGED;
}
