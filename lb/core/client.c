/* SPDX-License-Identifier: Apache-2.0 */
/* The table of clients, their token buckets and their days. How a client is recognized is not known here. */
#include "lb/core/client.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLIENTS_MAX = 65536, /* without a key, those without a job included */
    KEYS_MAX = 8192,     /* with one; more than a file of keys has, because keys are revoked and made */
};

#define DAY_US ((uint64_t)24 * 3600 * 1000000)

void clients_init(struct clients *clients)
{
    *clients = (struct clients){0};
    pe_list_init(&clients->idle);
    pe_list_init(&clients->idle_keys);
}

/* ---- the table ---- */

static bool has_key(const struct client *client)
{
    return client->key_id[0];
}

static int compare_clients(const void *left, const void *right)
{
    const struct client *a = left, *b = right;
    int order = memcmp(a->key_id, b->key_id, sizeof a->key_id);
    return order ? order : memcmp(&a->address, &b->address, sizeof a->address);
}

static void forget_first(struct clients *clients, struct pe_list *idle)
{
    struct client *client = pe_list_entry(idle->next, struct client, in_idle);
    pe_list_remove(&client->in_idle);
    tdelete(client, &clients->tree, compare_clients);
    *(has_key(client) ? &clients->key_count : &clients->count) -= 1;
    free(client);
}

void clients_free(struct clients *clients)
{
    while (clients->idle.next != &clients->idle)
        forget_first(clients, &clients->idle);
    while (clients->idle_keys.next != &clients->idle_keys)
        forget_first(clients, &clients->idle_keys);
}

void clients_forget_idle(struct clients *clients, uint64_t before_us)
{
    while (clients->idle.next != &clients->idle &&
           pe_list_entry(clients->idle.next, struct client, in_idle)->idle_us < before_us)
        forget_first(clients, &clients->idle);
}

static struct client *add_client(struct clients *clients, const struct client *wanted, struct pe_error *err)
{
    size_t *count = has_key(wanted) ? &clients->key_count : &clients->count;
    size_t most = has_key(wanted) ? KEYS_MAX : CLIENTS_MAX;
    struct pe_list *idle = has_key(wanted) ? &clients->idle_keys : &clients->idle;
    while (*count >= most && idle->next != idle)
        forget_first(clients, idle);
    struct client *client = calloc(1, sizeof *client);
    if (client)
        *client = *wanted;
    if (!client || !tsearch(client, &clients->tree, compare_clients)) {
        free(client);
        pe_fail_errno(err, "cannot add a client");
        return NULL;
    }
    ++*count;
    return client;
}

static struct client *find_or_add(struct clients *clients, const struct client_identity *who,
                                  struct pe_error *err)
{
    struct client wanted = {.limits = who->limits};
    if (who->key_id[0])
        snprintf(wanted.key_id, sizeof wanted.key_id, "%s", who->key_id);
    else
        wanted.address = pe_ip_address_of_client(&who->address);
    struct client *const *found = tfind(&wanted, &clients->tree, compare_clients);
    return found ? *found : add_client(clients, &wanted, err);
}

static void move_to_idle(struct clients *clients, struct client *client, uint64_t now_us)
{
    client->idle_us = now_us;
    pe_list_remove(&client->in_idle);
    pe_list_append(has_key(client) ? &clients->idle_keys : &clients->idle, &client->in_idle);
}

/* ---- limits ---- */

static const char *kind_of(const struct client *client)
{
    return has_key(client) ? "key" : "address";
}

static uint64_t burst_of(const struct client_limits *limits)
{
    return limits->burst ? limits->burst : limits->rate;
}

/* A bucket is full at the beginning. */
static void fill_bucket(struct client *client, uint64_t now_us)
{
    double most = (double)burst_of(&client->limits);
    double minutes = (double)(now_us - client->filled_us) / 60e6;
    client->tokens = client->filled_us ? client->tokens + minutes * (double)client->limits.rate : most;
    if (client->tokens > most)
        client->tokens = most;
    client->filled_us = now_us;
}

static int check_rate(struct client *client, uint64_t now_us, unsigned *retry_after_s, struct pe_error *err)
{
    uint64_t rate = client->limits.rate;
    if (!rate)
        return 0;
    fill_bucket(client, now_us);
    if (client->tokens < 1) {
        *retry_after_s = (unsigned)((1 - client->tokens) * 60 / (double)rate) + 1;
        return pe_fail(err, PE_ERR_BUSY, "this %s may send %llu jobs per minute", kind_of(client),
                       (unsigned long long)rate);
    }
    client->tokens -= 1;
    return 0;
}

static int check_cpu(struct client *client, uint64_t now_us, unsigned *retry_after_s, struct pe_error *err)
{
    if (!client->day_us || now_us - client->day_us >= DAY_US) {
        client->day_us = now_us;
        client->cpu_us = 0;
    }
    if (!client->limits.cpu_s || client->cpu_us / 1000000 < client->limits.cpu_s)
        return 0;
    *retry_after_s = (unsigned)((client->day_us + DAY_US - now_us) / 1000000) + 1;
    return pe_fail(
        err, PE_ERR_BUSY,
        "this %s may use %llu s of CPU time in 24 hours, and has used them; they begin again in %u "
        "minutes",
        kind_of(client), (unsigned long long)client->limits.cpu_s, *retry_after_s / 60 + 1);
}

static int check_limits(struct client *client, uint64_t now_us, unsigned *retry_after_s, struct pe_error *err)
{
    *retry_after_s = 1;
    if (client->limits.jobs && client->jobs >= client->limits.jobs)
        return pe_fail(err, PE_ERR_BUSY, "this %s has %zu jobs here already; more are not allowed at a time",
                       kind_of(client), client->jobs);
    return check_cpu(client, now_us, retry_after_s, err) < 0 ? -1
                                                             : check_rate(client, now_us, retry_after_s, err);
}

struct client *client_enter(struct clients *clients, const struct client_identity *who, uint64_t now_us,
                            unsigned *retry_after_s, struct pe_error *err)
{
    struct client *client = find_or_add(clients, who, err);
    if (!client)
        return NULL;
    client->limits = who->limits; /* they may have been changed */
    snprintf(client->key_name, sizeof client->key_name, "%s", who->key_name);
    if (check_limits(client, now_us, retry_after_s, err) < 0) {
        if (client->jobs == 0)
            move_to_idle(clients, client, now_us);
        return NULL;
    }
    pe_list_remove(&client->in_idle);
    client->jobs++;
    return client;
}

void client_charge(struct client *client, uint64_t cpu_us)
{
    client->cpu_us += cpu_us;
}

void client_leave(struct clients *clients, struct client *client, uint64_t now_us)
{
    if (--client->jobs == 0)
        move_to_idle(clients, client, now_us);
}

int client_count_status(struct clients *clients, const struct pe_ip_address *address, uint64_t now_us,
                        struct pe_error *err)
{
    const struct client_identity who = {.address = *address};
    struct client *client = find_or_add(clients, &who, err);
    if (!client)
        return -1;
    if (client->jobs == 0)
        move_to_idle(clients, client, now_us);
    client->status_tokens += client->status_filled_us
                                 ? (double)(now_us - client->status_filled_us) / 1e6 * CLIENT_STATUS_RATE
                                 : CLIENT_STATUS_BURST;
    if (client->status_tokens > CLIENT_STATUS_BURST)
        client->status_tokens = CLIENT_STATUS_BURST;
    client->status_filled_us = now_us;
    if (client->status_tokens < 1)
        return pe_fail(err, PE_ERR_BUSY,
                       "this address may ask for jobs and delete results %d times per second",
                       CLIENT_STATUS_RATE);
    client->status_tokens -= 1;
    return 0;
}
