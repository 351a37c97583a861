/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a refusal is written to the socket without libh2o, before anything was read. When a
 * connection is refused is decided in connection.c. */
#include "lb/edge/connection_refusal.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"
#include "proto/job_spec.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { LOG_US = 10 * 1000 * 1000 };

static void log_refusal(struct connections *connections, const char *why)
{
    uint64_t now = pe_now_us();
    connections->refusals_unlogged++;
    if (connections->refusals_logged_us && now - connections->refusals_logged_us < LOG_US)
        return;
    pe_log(PE_LOG_WARN, "refused %llu connections; the last one: %s",
           (unsigned long long)connections->refusals_unlogged, why);
    connections->refusals_logged_us = now;
    connections->refusals_unlogged = 0;
}

/* A client that cannot take these few bytes at once does without. */
static void send_problem(h2o_socket_t *sock, const struct pe_problem *problem)
{
    char reply[1024];
    pe_autojson json_t *json = pe_problem_to_json(problem);
    pe_autofree char *body = json ? json_dumps(json, JSON_COMPACT) : NULL;
    int size =
        snprintf(reply, sizeof reply,
                 "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: %s\r\nCache-Control: no-store\r\n"
                 "Retry-After: %u\r\nContent-Length: %zu\r\n\r\n%s",
                 problem->status, problem_reason_phrase(problem->status), HTTP_REPLY_PROBLEM_TYPE,
                 problem->retry_after_s, body ? strlen(body) : 0, body ? body : "");
    if (size < 0 || (size_t)size >= sizeof reply ||
        send(h2o_socket_get_fd(sock), reply, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return;
}

/* As much of an address as the operator wants in the log: all of it, its network (/24 or /48) or nothing. */
static const char *address_for_log(const struct connections *connections, const struct pe_ip_address *address,
                                   char text[PE_IP_ADDRESS_TEXT])
{
    const char *detail = connections->rules.log_addresses;
    struct pe_ip_address network = *address;
    if (!detail || !strcmp(detail, "full") || pe_ip_address_is_unix(address))
        return pe_ip_address_print_client(address, text);
    if (!strcmp(detail, "none"))
        return "a client";
    bool v4 = pe_ip_address_is_v4(address);
    memset(network.bytes + (v4 ? 15 : 6), 0, v4 ? 1 : 10);
    pe_ip_address_print_client(&network, text);
    char *slash = strchr(text, '/');
    if (slash)
        *slash = '\0';
    snprintf(text + strlen(text), PE_IP_ADDRESS_TEXT - strlen(text), v4 ? "/24" : "/48");
    return text;
}

void connection_refuse(struct connections *connections, h2o_socket_t *sock, bool tls,
                       enum connection_refusal refusal, const struct address_count *address)
{
    struct pe_problem problem;
    char why[256], text[PE_IP_ADDRESS_TEXT];
    if (refusal == CONNECTION_REFUSED_BY_ADDRESS) {
        connections->refused_by_address++;
        problem = problem_make("too-many-requests", "this address has %zu connections here already",
                               connections->rules.address_max);
        snprintf(why, sizeof why, "%s has %zu already (--client-connections)",
                 address_for_log(connections, &address->address, text), connections->rules.address_max);
    } else {
        connections->refused_by_total++;
        problem = problem_make("no-capacity", "there are too many connections");
        snprintf(why, sizeof why, "%zu are open, and none of them is idle (limit of open files)",
                 connections->count);
    }
    problem.retry_after_s = 1;
    log_refusal(connections, why);
    if (!tls)
        send_problem(sock, &problem);
}
