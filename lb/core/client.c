/* SPDX-License-Identifier: Apache-2.0 */
/* The table of clients and their token buckets. How an address is found out is not known here. */
#include "lb/core/client.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS_MAX = 65536 }; /* those without a job included */

void clients_init(struct clients *clients, const struct client_limits *limits)
{
    *clients = (struct clients){.limits = *limits};
    pe_list_init(&clients->idle);
}

/* ---- the table ---- */

static int compare_clients(const void *left, const void *right)
{
    const struct client *a = left, *b = right;
    return memcmp(&a->address, &b->address, sizeof a->address);
}

static void forget_one(struct clients *clients)
{
    struct client *client = pe_list_entry(clients->idle.next, struct client, in_idle);
    pe_list_remove(&client->in_idle);
    tdelete(client, &clients->tree, compare_clients);
    clients->count--;
    free(client);
}

void clients_free(struct clients *clients)
{
    while (clients->idle.next != &clients->idle)
        forget_one(clients);
}

static struct client *add_client(struct clients *clients, const struct pe_ip_address *address,
                                 struct pe_error *err)
{
    while (clients->count >= CLIENTS_MAX && clients->idle.next != &clients->idle)
        forget_one(clients);
    struct client *client = calloc(1, sizeof *client);
    if (client)
        client->address = *address;
    if (!client || !tsearch(client, &clients->tree, compare_clients)) {
        free(client);
        pe_fail_errno(err, "cannot add a client");
        return NULL;
    }
    client->tokens = (double)clients->limits.burst;
    clients->count++;
    return client;
}

static struct client *find_or_add(struct clients *clients, const struct pe_ip_address *address,
                                  struct pe_error *err)
{
    const struct client wanted = {.address = pe_ip_address_of_client(address)};
    struct client *const *found = tfind(&wanted, &clients->tree, compare_clients);
    return found ? *found : add_client(clients, &wanted.address, err);
}

static void move_to_idle(struct clients *clients, struct client *client)
{
    pe_list_remove(&client->in_idle);
    pe_list_append(&clients->idle, &client->in_idle);
}

/* ---- limits ---- */

static void fill_bucket(const struct client_limits *limits, struct client *client, uint64_t now_us)
{
    double minutes = client->filled_us ? (double)(now_us - client->filled_us) / 60e6 : 0;
    client->tokens += minutes * (double)limits->rate;
    if (client->tokens > (double)limits->burst)
        client->tokens = (double)limits->burst;
    client->filled_us = now_us;
}

static int check_limits(const struct client_limits *limits, struct client *client, uint64_t now_us,
                        unsigned *retry_after_s, struct pe_error *err)
{
    *retry_after_s = 1;
    if (limits->jobs && client->jobs >= limits->jobs)
        return pe_fail(err, PE_ERR_BUSY,
                       "this address has %zu jobs here already; more are not allowed at a time",
                       client->jobs);
    if (!limits->rate)
        return 0;
    fill_bucket(limits, client, now_us);
    if (client->tokens < 1) {
        *retry_after_s = (unsigned)((1 - client->tokens) * 60 / (double)limits->rate) + 1;
        return pe_fail(err, PE_ERR_BUSY, "this address may send %llu jobs per minute",
                       (unsigned long long)limits->rate);
    }
    client->tokens -= 1;
    return 0;
}

struct client *client_enter(struct clients *clients, const struct pe_ip_address *address, uint64_t now_us,
                            unsigned *retry_after_s, struct pe_error *err)
{
    struct client *client = find_or_add(clients, address, err);
    if (!client)
        return NULL;
    if (check_limits(&clients->limits, client, now_us, retry_after_s, err) < 0) {
        if (client->jobs == 0)
            move_to_idle(clients, client);
        return NULL;
    }
    pe_list_remove(&client->in_idle);
    client->jobs++;
    return client;
}

void client_leave(struct clients *clients, struct client *client)
{
    if (--client->jobs == 0)
        move_to_idle(clients, client);
}

int client_count_status(struct clients *clients, const struct pe_ip_address *address, uint64_t now_us,
                        struct pe_error *err)
{
    struct client *client = find_or_add(clients, address, err);
    if (!client)
        return -1;
    if (client->jobs == 0)
        move_to_idle(clients, client);
    client->status_tokens += client->status_filled_us
                                 ? (double)(now_us - client->status_filled_us) / 1e6 * CLIENT_STATUS_RATE
                                 : CLIENT_STATUS_BURST;
    if (client->status_tokens > CLIENT_STATUS_BURST)
        client->status_tokens = CLIENT_STATUS_BURST;
    client->status_filled_us = now_us;
    if (client->status_tokens < 1)
        return pe_fail(err, PE_ERR_BUSY, "this address may ask for the status of jobs %d times per second",
                       CLIENT_STATUS_RATE);
    client->status_tokens -= 1;
    return 0;
}
