/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting, offering the slot, and giving back what arrives too late. Nothing here waits, except for
 * balancers_wait. */
#include "worker/balancers.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "proto/limits.h"
#include "worker/balancer_link.h"
#include "worker/board.h"
#include "worker/slot_helper.h"
#include "worker/stop_signal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* When several balancers have jobs waiting, each offer would be answered by all of them, and all jobs but one
 * be sent in vain. Then they are offered the slot one after the other, as long apart as a job may take from a
 * balancer to the worker. One that is still offered it at the same time shows whether that is still so. */
#define OFFERS_APART_US 3000u
#define CROWDED_US 1000000u

static size_t number_of(const struct balancers *balancers, const struct balancer *balancer)
{
    return (size_t)(balancer - balancers->items);
}

/* ---- losing one ---- */

/* What a balancer refuses, the registration says at a higher level. */
static void log_fault(const struct balancers *balancers, struct balancer *balancer, enum retry_cause cause,
                      const struct pe_error *fault)
{
    const struct balancer_place *place = &balancers->config->balancers.items[number_of(balancers, balancer)];
    const enum pe_log_level level = cause == RETRY_LOST ? PE_LOG_WARN : PE_LOG_DEBUG;
    if (!retry_says(&balancer->retry, fault->message))
        return;
    if (balancers->count == 1)
        pe_log(level, "%s", fault->message);
    else
        pe_log(level, "balancer %s%s%s: %s", place->url, place->address[0] ? " at " : "", place->address,
               fault->message);
}

static void disconnect(struct balancer *balancer)
{
    ws_client_close(balancer->client);
    pe_cleanup_close(&balancer->answer_fd);
    free(balancer->held);
    *balancer = (struct balancer){.answer_fd = -1, .retry = balancer->retry};
}

static void lose(const struct balancers *balancers, struct balancer *balancer, const struct pe_error *fault)
{
    const uint64_t now_us = pe_now_us();
    const enum retry_cause cause =
        balancer->client ? ws_client_cause(balancer->client) : retry_cause_of(fault);
    if (balancer->client)
        retry_lasted(&balancer->retry, now_us - balancer->connected_us);
    log_fault(balancers, balancer, cause, fault);
    disconnect(balancer);
    balancer->connects = board_connects(balancers->config->board, number_of(balancers, balancer));
    balancer->connect_us = now_us + retry_after_ms(&balancer->retry, cause) * 1000ull;
}

/* ---- connecting ---- */

/* A slot that was refused comes back when the registration was admitted. */
static bool is_due(const struct balancers *balancers, const struct balancer *balancer)
{
    if (balancers->config->helper->lost)
        return false;
    if (pe_now_us() >= balancer->connect_us)
        return true;
    return balancer->retry.refusals &&
           board_connects(balancers->config->board, number_of(balancers, balancer)) != balancer->connects;
}

/* Start a link, or take the connection that it has made. */
static void connect_some(struct balancers *balancers, struct balancer *balancer)
{
    struct pe_error err;
    if (balancer->answer_fd < 0) {
        if (!is_due(balancers, balancer))
            return;
        balancer->answer_fd =
            slot_helper_link_balancer(balancers->config->helper, number_of(balancers, balancer), &err);
        balancer->answer_us = pe_now_us() + BALANCER_LINK_MS * 1000ull;
        if (balancer->answer_fd < 0)
            lose(balancers, balancer, &err);
        return;
    }
    struct pollfd answer = {.fd = balancer->answer_fd, .events = POLLIN};
    if (poll(&answer, 1, 0) <= 0 && pe_now_us() < balancer->answer_us)
        return;
    int connection = balancer_link_receive(balancer->answer_fd, 0, &err);
    pe_cleanup_close(&balancer->answer_fd);
    balancer->answer_fd = -1;
    balancer->client = connection < 0 ? NULL : ws_client_open(connection, &err);
    balancer->connected_us = pe_now_us();
    if (!balancer->client)
        lose(balancers, balancer, &err);
    else if (balancers->ready.size)
        balancer->offer_us = balancer->connected_us;
}

/* ---- telling them ---- */

static int post(struct balancer *balancer, const struct pe_message *message, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    if (pe_message_encode(message, &text, err) < 0)
        return -1;
    return ws_client_post(balancer->client, true, text.data, text.size, err);
}

static int withdraw(struct balancer *balancer, struct pe_error *err)
{
    if (!balancer->is_offered || !balancer->is_welcome)
        return 0;
    balancer->is_offered = false;
    return post(balancer, &(struct pe_message){.kind = PE_MESSAGE_WITHDRAW}, err);
}

static int give_back(struct balancers *balancers, struct balancer *balancer, const struct pe_message *job,
                     struct pe_error *err)
{
    struct pe_message message = {.kind = PE_MESSAGE_RETURN};
    memcpy(message.id, job->id, sizeof message.id);
    if (balancer->may_send)
        balancers->crowded_until_us = pe_now_us() + CROWDED_US;
    pe_log_about(PE_LOG_DEBUG, job->id, "the job is given back: %s",
                 balancer->may_send ? "another balancer was faster" : "its balancer was offered no slot");
    balancer->may_send = false;
    return post(balancer, &message, err);
}

static int offer(const struct balancers *balancers, struct balancer *balancer, struct pe_error *err)
{
    if (!balancer->offer_us || pe_now_us() < balancer->offer_us)
        return 0;
    balancer->offer_us = 0;
    balancer->is_offered = balancer->may_send = true;
    return ws_client_post(balancer->client, true, balancers->ready.data, balancers->ready.size, err);
}

/* ---- what they say ---- */

static int on_welcome(const struct balancers *balancers, struct balancer *balancer, struct pe_error *err)
{
    balancer->is_welcome = true;
    return balancers->busy ? withdraw(balancer, err) : 0;
}

/* Read what a balancer sends while the slot runs the job of another one. Bytes, `end` and `cancel` belong to
 * jobs that were given back. */
static int read_in_vain(struct balancers *balancers, struct balancer *balancer, struct pe_error *err)
{
    while (!balancer->held && ws_client_has_message(balancer->client)) {
        pe_automessage struct pe_message message = {0};
        pe_autofree struct pe_websocket_message *raw = ws_client_next(balancer->client);
        if (!raw->is_text)
            continue;
        if (pe_message_decode(raw->bytes, raw->size, &message, err) < 0)
            return -1;
        if (message.kind == PE_MESSAGE_WELCOME && on_welcome(balancers, balancer, err) < 0)
            return -1;
        if (message.kind != PE_MESSAGE_JOB)
            continue;
        if (!balancer->is_welcome) {
            balancer->held = raw;
            raw = NULL;
        } else if (give_back(balancers, balancer, &message, err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Read what a balancer sends while the slot is free, up to a job. Returns 1 if there is one. A job for which
 * the slot was not offered would come before those of the others, whose turn it is. */
static int read_job(struct balancers *balancers, struct balancer *balancer, struct pe_message *message,
                    struct pe_error *err)
{
    while (balancer->held || ws_client_has_message(balancer->client)) {
        pe_autofree struct pe_websocket_message *raw =
            balancer->held ? balancer->held : ws_client_next(balancer->client);
        balancer->held = NULL;
        if (!raw->is_text)
            continue;
        if (pe_message_decode(raw->bytes, raw->size, message, err) < 0)
            return -1;
        if (message->kind == PE_MESSAGE_JOB && (balancer->may_send || !balancer->is_welcome)) {
            balancer->may_send = false;
            return 1;
        }
        if ((message->kind == PE_MESSAGE_JOB && give_back(balancers, balancer, message, err) < 0) ||
            (message->kind == PE_MESSAGE_WELCOME && on_welcome(balancers, balancer, err) < 0))
            return -1;
        pe_message_free(message);
    }
    return 0;
}

/* ---- serving all of them ---- */

static int serve_connection(struct balancers *balancers, struct balancer *balancer, struct pe_error *err)
{
    if (ws_client_pump(balancer->client, err) < 0)
        return -1;
    return balancers->busy ? read_in_vain(balancers, balancer, err) : offer(balancers, balancer, err);
}

/* Do what is due for all balancers but the one whose job runs. */
static void serve(void *context)
{
    struct balancers *balancers = context;
    struct pe_error err;
    for (size_t i = 0; i < balancers->count; i++) {
        struct balancer *balancer = &balancers->items[i];
        if (balancer == balancers->busy)
            continue;
        if (!balancer->client)
            connect_some(balancers, balancer);
        if (balancer->client && serve_connection(balancers, balancer, &err) < 0)
            lose(balancers, balancer, &err);
    }
}

static void wake_at(uint64_t *wake_us, uint64_t time_us)
{
    if (time_us < *wake_us)
        *wake_us = time_us;
}

/* A socket that nothing is expected of is left out: when it has ended, it would always be ready. */
static size_t watch(void *context, struct pollfd *fds, uint64_t *wake_us)
{
    const struct balancers *balancers = context;
    size_t count = 0;
    for (size_t i = 0; i < balancers->count; i++) {
        const struct balancer *balancer = &balancers->items[i];
        if (balancer == balancers->busy)
            continue;
        struct pollfd entry = balancer->client ? ws_client_poll(balancer->client)
                                               : (struct pollfd){.fd = balancer->answer_fd, .events = POLLIN};
        if (entry.fd >= 0 && entry.events)
            fds[count++] = entry;
        if (!balancer->client)
            wake_at(wake_us, balancer->answer_fd < 0 ? balancer->connect_us : balancer->answer_us);
        if (balancer->client && balancer->offer_us)
            wake_at(wake_us, balancer->offer_us);
    }
    return count;
}

/* ---- the slot's part ---- */

void balancers_begin(struct balancers *balancers, const struct worker_config *config)
{
    *balancers = (struct balancers){.config = config,
                                    .count = config->balancers.count,
                                    .company = {.context = balancers, .watch = watch, .serve = serve}};
    for (size_t i = 0; i < balancers->count; i++)
        balancers->items[i].answer_fd = -1;
    serve(balancers);
}

/* The first one is the next after the one whose job ran last, so they take turns. */
static void schedule_offers(struct balancers *balancers)
{
    const uint64_t now_us = pe_now_us();
    const uint64_t apart_us = now_us < balancers->crowded_until_us ? OFFERS_APART_US : 0;
    uint64_t offer_us = now_us;
    for (size_t i = 0; i < balancers->count; i++) {
        struct balancer *balancer = &balancers->items[(balancers->turn + i) % balancers->count];
        if (!balancer->client)
            continue;
        if (balancer->is_offered)
            balancer->offer_us = now_us; /* with what is new */
        else if (!balancer->offer_us)
            balancer->offer_us = offer_us;
        offer_us += apart_us;
    }
}

void balancers_offer(struct balancers *balancers, const char *warm)
{
    struct pe_error err;
    struct pe_message message = {.kind = PE_MESSAGE_READY,
                                 .live = PE_LIVE_VERSION,
                                 .shared = balancers->count > 1 ? PE_SHARED_VERSION : 0};
    snprintf(message.host, sizeof message.host, "%s", balancers->config->name);
    snprintf(message.warm, sizeof message.warm, "%s", warm);
    balancers->ready.size = 0;
    if (pe_message_encode(&message, &balancers->ready, &err) < 0) {
        pe_log(PE_LOG_ERROR, "the slot is not offered: %s", err.message);
        balancers->ready.size = 0;
        return;
    }
    schedule_offers(balancers);
    serve(balancers);
}

/* The slot belongs to one balancer now. */
static void take_slot(struct balancers *balancers, struct balancer *winner)
{
    struct pe_error err;
    balancers->busy = winner;
    balancers->turn = (number_of(balancers, winner) + 1) % balancers->count;
    balancers->ready.size = 0;
    winner->is_offered = false;
    ws_client_keep_company(winner->client, &balancers->company);
    for (size_t i = 0; i < balancers->count; i++) {
        struct balancer *balancer = &balancers->items[i];
        balancer->offer_us = 0;
        if (balancer->client && balancer != winner && withdraw(balancer, &err) < 0)
            lose(balancers, balancer, &err);
    }
    serve(balancers); /* what the others have sent may have been read from their sockets already */
}

static bool find_job(struct balancers *balancers, struct pe_message *message)
{
    struct pe_error err;
    for (size_t i = 0; i < balancers->count; i++) {
        struct balancer *balancer = &balancers->items[(balancers->turn + i) % balancers->count];
        int found = balancer->client ? read_job(balancers, balancer, message, &err) : 0;
        if (found < 0) {
            pe_message_free(message);
            lose(balancers, balancer, &err);
        }
        if (found > 0) {
            take_slot(balancers, balancer);
            return true;
        }
    }
    return false;
}

/* Sleep until there is something to do. */
static int sleep_until(struct balancers *balancers, int fd, uint64_t deadline_us, bool *fd_ready,
                       struct pe_error *err)
{
    const uint64_t now_us = pe_now_us();
    uint64_t wake_us = now_us + PE_SLOT_PING_MS * 1000ull;
    struct pollfd fds[1 + BALANCERS_MAX] = {{.fd = fd, .events = POLLIN}};
    wake_at(&wake_us, deadline_us);
    nfds_t count = 1 + watch(balancers, fds + 1, &wake_us);
    const uint64_t left_us = wake_us > now_us ? wake_us - now_us : 0;
    const struct timespec timeout = {(time_t)(left_us / 1000000), (long)(left_us % 1000000) * 1000};
    sigset_t none;
    sigemptyset(&none);
    int n = ppoll(fds, count, &timeout, &none);
    if (n < 0 && errno != EINTR)
        return pe_fail_errno(err, "cannot wait for the balancers");
    *fd_ready = n > 0 && fds[0].revents;
    return 0;
}

int balancers_wait(struct balancers *balancers, int fd, uint64_t deadline_us, enum balancers_event *event,
                   struct pe_message *message, struct pe_error *err)
{
    bool fd_ready = false;
    for (;;) {
        serve(balancers);
        if (find_job(balancers, message))
            return *event = BALANCERS_JOB, 0;
        if (fd_ready)
            return *event = BALANCERS_FD, 0;
        if (pe_now_us() >= deadline_us)
            return *event = BALANCERS_DEADLINE, 0;
        if (stop_requested)
            return *event = BALANCERS_STOP, 0;
        if (sleep_until(balancers, fd, deadline_us, &fd_ready, err) < 0)
            return -1;
    }
}

void balancers_free_slot(struct balancers *balancers, const struct pe_error *fault)
{
    struct balancer *balancer = balancers->busy;
    balancers->busy = NULL;
    ws_client_keep_company(balancer->client, NULL);
    if (fault)
        lose(balancers, balancer, fault);
}

void balancers_end(struct balancers *balancers)
{
    for (size_t i = 0; i < balancers->count; i++)
        disconnect(&balancers->items[i]);
    pe_buf_free(&balancers->ready);
}
