/* SPDX-License-Identifier: Apache-2.0 */
/* Checking what --server names. No name is resolved here. */
#include "worker/balancer_list.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

bool balancer_is_service(const char *server)
{
    return begins_with(server, "http+srv://") || begins_with(server, "https+srv://");
}

/* Whether the host of the URL is an IP address; one of IPv6 is in brackets. */
static bool has_address(const char *server)
{
    char host[64] = "";
    struct in_addr ignored;
    const char *begin = strstr(server, "://");
    if (!begin)
        return true;
    begin += 3;
    size_t size = strcspn(begin, ":/?");
    if (*begin == '[')
        return true;
    if (size >= sizeof host)
        return false;
    memcpy(host, begin, size);
    return inet_pton(AF_INET, host, &ignored) == 1;
}

bool balancer_is_name(const char *server)
{
    return !begins_with(server, "unix:") && !has_address(server);
}

static int check(const char *server, struct pe_error *err)
{
    const char *host = strstr(server, "://");
    bool is_unix = begins_with(server, "unix:") && server[5];
    bool is_http = begins_with(server, "http://") || begins_with(server, "https://");
    bool has_host = host && host[3] && host[3] != '/' && host[3] != ':';
    if (!is_unix && !((is_http || balancer_is_service(server)) && has_host))
        return pe_fail(err, PE_ERR_INVALID,
                       "--server %.200s is no balancer; it is http://HOST:PORT, https://HOST:PORT, "
                       "http+srv://NAME, https+srv://NAME or unix:PATH",
                       server);
    if (strlen(server) >= BALANCER_URL_SIZE)
        return pe_fail(err, PE_ERR_INVALID, "--server %.40s… is longer than %d characters", server,
                       BALANCER_URL_SIZE - 1);
    return 0;
}

int balancer_list_make(const char *const *servers, size_t count, struct balancer_list *list,
                       struct pe_error *err)
{
    *list = (struct balancer_list){.count = 0};
    for (size_t i = 0; i < count; i++) {
        if (check(servers[i], err) < 0)
            return -1;
        if (!balancer_is_service(servers[i]) && !balancer_list_add(list, servers[i], ""))
            return pe_fail(err, PE_ERR_INVALID, "--server may name at most %d balancers", BALANCERS_MAX);
    }
    return 0;
}

static bool is_place(const struct balancer_place *place, const char *url, const char *address)
{
    return !strcmp(place->url, url) && !strcmp(place->address, address);
}

bool balancer_list_add(struct balancer_list *list, const char *url, const char *address)
{
    for (size_t i = 0; i < list->count; i++)
        if (is_place(&list->items[i], url, address))
            return true;
    if (list->count == BALANCERS_MAX)
        return false;
    struct balancer_place *place = &list->items[list->count++];
    snprintf(place->url, sizeof place->url, "%s", url);
    snprintf(place->address, sizeof place->address, "%s", address);
    return true;
}

/* ---- lists of other processes ---- */

static bool is_text(const char *bytes, size_t size)
{
    return memchr(bytes, '\0', size);
}

static bool is_ip_address(const char *text)
{
    struct in6_addr ignored;
    char plain[BALANCER_ADDRESS_SIZE];
    snprintf(plain, sizeof plain, "%.*s", (int)strcspn(text, "%"), text); /* without a zone */
    return inet_pton(AF_INET, plain, &ignored) == 1 || inet_pton(AF_INET6, plain, &ignored) == 1;
}

/* A path of a UNIX socket is none that was found: only the command line can have it. */
static bool is_usable(const struct balancer_place *place, const char *const *servers, size_t count)
{
    struct pe_error ignored;
    if (!is_text(place->url, sizeof place->url) || !is_text(place->address, sizeof place->address) ||
        (place->address[0] && !is_ip_address(place->address)))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!strcmp(servers[i], place->url))
            return true;
    return check(place->url, &ignored) == 0 && !begins_with(place->url, "unix:") &&
           !balancer_is_service(place->url);
}

int balancer_list_take(const struct balancer_list *written, const char *const *servers, size_t count,
                       struct balancer_list *list, struct pe_error *err)
{
    const struct balancer_list copy = *written;
    struct balancer_list taken = {.count = 0};
    if (copy.count > BALANCERS_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "there are more than %d balancers", BALANCERS_MAX);
    for (; taken.count < copy.count; taken.count++) {
        taken.items[taken.count] = copy.items[taken.count];
        if (!is_usable(&copy.items[taken.count], servers, count))
            return pe_fail(err, PE_ERR_MALFORMED, "place %zu is no balancer", taken.count);
    }
    *list = taken;
    return 0;
}

bool balancer_list_equals(const struct balancer_list *a, const struct balancer_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!is_place(&a->items[i], b->items[i].url, b->items[i].address))
            return false;
    return true;
}
