/* The table of clients and their token buckets. */
#include "lb/core/client.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_MAX = 65536 }; /* clients, those without a job included */

void clients_init(struct clients *clients, const struct client_limits *limits)
{
    *clients = (struct clients){.limits = *limits};
    list_init(&clients->idle);
}

static int compare_clients(const void *left, const void *right)
{
    const struct client *a = left, *b = right;
    return memcmp(&a->peer, &b->peer, sizeof a->peer);
}

static void forget_one(struct clients *clients)
{
    struct client *client = list_entry(clients->idle.next, struct client, in_idle);
    list_remove(&client->in_idle);
    tdelete(client, &clients->tree, compare_clients);
    clients->count--;
    free(client);
}

static struct client *add_client(struct clients *clients, const struct peer *peer, struct pe_error *err)
{
    while (clients->count >= KEPT_MAX && clients->idle.next != &clients->idle)
        forget_one(clients);
    struct client *client = calloc(1, sizeof *client);
    if (client)
        client->peer = *peer;
    if (!client || !tsearch(client, &clients->tree, compare_clients)) {
        free(client);
        pe_fail_errno(err, "a client");
        return NULL;
    }
    client->tokens = (double)clients->limits.burst;
    clients->count++;
    return client;
}

static struct client *find_client(struct clients *clients, const struct peer *peer)
{
    const struct client key = {.peer = *peer};
    struct client *const *found = tfind(&key, &clients->tree, compare_clients);
    return found ? *found : NULL;
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
                       "%zu jobs of this address are here already, as many as may at a time", client->jobs);
    if (!limits->rate)
        return 0;
    fill_bucket(limits, client, now_us);
    if (client->tokens < 1) {
        *retry_after_s = (unsigned)((1 - client->tokens) * 60 / (double)limits->rate) + 1;
        return pe_fail(err, PE_ERR_BUSY, "this address may send %llu jobs a minute",
                       (unsigned long long)limits->rate);
    }
    client->tokens -= 1;
    return 0;
}

struct client *client_enter(struct clients *clients, const struct peer *peer, uint64_t now_us,
                            unsigned *retry_after_s, struct pe_error *err)
{
    const struct peer who = peer_client(peer);
    struct client *client = find_client(clients, &who);
    if (!client && !(client = add_client(clients, &who, err)))
        return NULL;
    int refused = check_limits(&clients->limits, client, now_us, retry_after_s, err);
    list_remove(&client->in_idle);
    if (refused && client->jobs == 0)
        list_append(&clients->idle, &client->in_idle);
    if (refused)
        return NULL;
    client->jobs++;
    return client;
}

void client_leave(struct clients *clients, struct client *client)
{
    if (--client->jobs == 0)
        list_append(&clients->idle, &client->in_idle);
}

int client_look(struct clients *clients, const struct peer *peer, uint64_t now_us, struct pe_error *err)
{
    const struct peer who = peer_client(peer);
    struct client *client = find_client(clients, &who);
    if (!client && !(client = add_client(clients, &who, err)))
        return -1;
    if (client->jobs == 0) {
        list_remove(&client->in_idle);
        list_append(&clients->idle, &client->in_idle);
    }
    double seconds = client->looked_us ? (double)(now_us - client->looked_us) / 1e6 : CLIENT_LOOKS_BURST;
    client->looks += seconds * CLIENT_LOOKS_S;
    if (client->looks > CLIENT_LOOKS_BURST)
        client->looks = CLIENT_LOOKS_BURST;
    client->looked_us = now_us;
    if (client->looks < 1)
        return pe_fail(err, PE_ERR_BUSY, "this address may ask %d times a second how its jobs are doing",
                       CLIENT_LOOKS_S);
    client->looks -= 1;
    return 0;
}
