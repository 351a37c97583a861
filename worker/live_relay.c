/* SPDX-License-Identifier: Apache-2.0 */
/* The relay of a live job. Records and their checks are in proto/live_ring.c, messages in proto/slot.c, and
 * the loop that calls this in worker/job_run.c. */
#include "worker/live_relay.h"

#include "base/io.h"
#include "base/log.h"
#include "proto/limits.h"
#include "worker/job/live_port.h"

#include <stdlib.h>
#include <string.h>

/* A guest has nothing to say more often than this. */
#define LISTEN_PAUSE_US 500u

/* The pause after each interruption of the guest. */
#define RING_PAUSE_US 2000u

void live_relay_begin(struct live_relay *relay, struct ws_client *balancer, struct machine *machine,
                      const struct pe_message *job)
{
    *relay = (struct live_relay){.balancer = balancer, .machine = machine, .job = job};
}

void live_relay_free(struct live_relay *relay)
{
    pe_live_free(&relay->end);
    pe_buf_free(&relay->output);
    pe_parts_free(&relay->parts);
    free(relay->waiting);
    relay->waiting = NULL;
}

/* ---- messages of the balancer ---- */

static int violation(struct pe_error *err, const char *what)
{
    return pe_fail(err, PE_ERR_MALFORMED, "the balancer %s", what);
}

static int on_watch(struct live_relay *relay, struct pe_error *err)
{
    if (relay->watched)
        return violation(err, "sent `watch` twice");
    relay->watch = relay->watched = true;
    return 0;
}

static int on_input(struct live_relay *relay, const struct pe_message *message, struct pe_error *err)
{
    if (relay->ended)
        return violation(err, "sent `input` behind `eof`");
    if (relay->arrived + message->bytes - relay->taken > PE_LIVE_WINDOW)
        return violation(err, "sent more input than the window allows");
    relay->announced = message->bytes;
    relay->arrived += message->bytes;
    return 0;
}

static int on_eof(struct live_relay *relay, struct pe_error *err)
{
    if (relay->ended)
        return violation(err, "sent `eof` twice");
    relay->eof = relay->ended = true;
    return 0;
}

int live_relay_on_message(struct live_relay *relay, const struct pe_message *message, struct pe_error *err)
{
    const struct pe_live_input *input = &relay->job->input;
    if (relay->announced)
        return violation(err, "sent a message where the bytes of an `input` should be");
    if (message->kind == PE_MESSAGE_WATCH)
        return on_watch(relay, err);
    if (!input->open || (message->kind == PE_MESSAGE_RESIZE && !input->tty))
        return violation(err, "sent a message that this job cannot have");
    switch (message->kind) {
    case PE_MESSAGE_INPUT:
        return on_input(relay, message, err);
    case PE_MESSAGE_EOF:
        return on_eof(relay, err);
    case PE_MESSAGE_RESIZE:
        relay->window = message->window;
        return 0;
    case PE_MESSAGE_SIGNAL:
        relay->signals |= 1ull << message->signal;
        return 0;
    default:
        return violation(err, "sent a message that does not belong into a job");
    }
}

int live_relay_on_bytes(struct live_relay *relay, const void *bytes, size_t size, struct pe_error *err)
{
    if (size == 0 || size != relay->announced)
        return violation(err, "sent bytes that it did not announce");
    relay->announced = 0;
    if (relay->broken) /* they will never be taken */
        return 0;
    if (!relay->waiting && !(relay->waiting = malloc(PE_LIVE_WINDOW)))
        return pe_fail_errno(err, "out of memory for the input of a job");
    memcpy(relay->waiting + relay->waiting_size, bytes, size);
    relay->waiting_size += size;
    return 0;
}

/* ---- the guest ---- */

/* The guest has lied, or the device does not work. The job goes on without live data. */
static void give_up(struct live_relay *relay, const struct pe_error *why)
{
    pe_log_about(PE_LOG_WARN, relay->job->id, "no live data any more: %s", why->message);
    relay->broken = true;
    relay->waiting_size = 0;
    relay->ring_us = 0;
}

void live_relay_start(struct live_relay *relay)
{
    relay->started = true;
}

/* Most jobs are not live, and have no use for the buffers. */
static int ensure_open(struct live_relay *relay, struct pe_error *err)
{
    if (relay->open)
        return 0;
    relay->open = true;
    return live_port_open(&relay->end, relay->machine, err);
}

bool live_relay_restart(struct live_relay *relay)
{
    if (relay->broken || relay->put || (relay->ended && !relay->eof) || relay->streamed[0] ||
        relay->streamed[1])
        return false;
    relay->watch = relay->watched;
    if (!relay->window.rows)
        relay->window = relay->shown;
    relay->signals |= relay->signaled;
    relay->started = relay->open = relay->broken = false;
    relay->ring_us = relay->listen_us = 0;
    pe_live_free(&relay->end);
    return true;
}

bool live_relay_listens(const struct live_relay *relay)
{
    return relay->listen_us == 0 || pe_now_us() >= relay->listen_us;
}

void live_relay_on_doorbell(struct live_relay *relay)
{
    struct pe_error err;
    relay->listen_us = pe_now_us() + LISTEN_PAUSE_US;
    if (relay->open && !relay->broken && pe_live_refresh(&relay->end, &err) < 0)
        give_up(relay, &err);
}

/* ---- to the guest ---- */

/* Put a record into the ring. The ring has room for many records that are not input, and those come one by
 * one when the earlier ones have been taken. */
static bool put(struct live_relay *relay, enum pe_live_kind kind, const void *data, size_t size)
{
    struct pe_error err;
    if (relay->broken || pe_live_room(&relay->end) < size || pe_live_room(&relay->end) == 0)
        return false;
    if (pe_live_put(&relay->end, kind, data, size, &err) == 0)
        return true;
    give_up(relay, &err);
    return false;
}

static void put_window(struct live_relay *relay)
{
    const struct pe_window *window = &relay->window;
    const uint8_t data[] = {(uint8_t)window->rows, (uint8_t)(window->rows >> 8), (uint8_t)window->cols,
                            (uint8_t)(window->cols >> 8)};
    if (window->rows && put(relay, PE_LIVE_RESIZE, data, sizeof data)) {
        relay->shown = relay->window;
        relay->window.rows = 0;
    }
}

static void put_signals(struct live_relay *relay)
{
    for (uint8_t number = 1; relay->signals && number < 64; number++)
        if ((relay->signals & 1ull << number) && put(relay, PE_LIVE_SIGNAL, &number, 1)) {
            relay->signals &= ~(1ull << number);
            relay->signaled |= 1ull << number;
        }
}

static void put_input(struct live_relay *relay)
{
    while (relay->waiting_size) {
        const size_t room = pe_live_room(&relay->end);
        const size_t size = relay->waiting_size < room ? relay->waiting_size : room;
        if (size == 0 || !put(relay, PE_LIVE_INPUT, relay->waiting, size))
            return;
        relay->waiting_size -= size;
        relay->put += size;
        memmove(relay->waiting, relay->waiting + size, relay->waiting_size);
    }
    if (relay->eof && put(relay, PE_LIVE_EOF, NULL, 0))
        relay->eof = false;
}

static void put_all(struct live_relay *relay)
{
    if (relay->watch && put(relay, PE_LIVE_WATCH, NULL, 0))
        relay->watch = false;
    put_window(relay);
    put_signals(relay);
    put_input(relay);
}

/* Let the guest see what is new, at once or when the pause is over. */
static void tell_guest(struct live_relay *relay)
{
    struct pe_error err;
    const uint64_t now = pe_now_us();
    if (relay->broken || !relay->end.unpublished)
        return;
    relay->ring_us = relay->rang_us + RING_PAUSE_US;
    if (now < relay->ring_us)
        return;
    relay->ring_us = 0;
    relay->rang_us = now;
    if (pe_live_publish(&relay->end, &err) < 0)
        give_up(relay, &err);
    else
        live_port_ring(relay->machine);
}

/* ---- to the balancer ---- */

static int queue_message(struct live_relay *relay, const struct pe_message *message, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    return pe_message_encode(message, &text, err) < 0
               ? -1
               : ws_client_queue(relay->balancer, true, text.data, text.size, err);
}

/* Send the output that was collected. */
static int flush_output(struct live_relay *relay, struct pe_error *err)
{
    struct pe_message message = {.kind = PE_MESSAGE_OUTPUT, .parts = relay->parts};
    if (relay->output.size == 0)
        return 0;
    memcpy(message.id, relay->job->id, sizeof message.id);
    int failed = queue_message(relay, &message, err) < 0 ||
                 ws_client_queue(relay->balancer, false, relay->output.data, relay->output.size, err) < 0;
    pe_parts_free(&relay->parts);
    relay->output.size = 0;
    return failed ? -1 : 0;
}

static int collect(struct live_relay *relay, const struct pe_live_record *record, struct pe_error *err)
{
    const enum pe_part_kind kind = record->kind == PE_LIVE_STDOUT ? PE_PART_STDOUT : PE_PART_STDERR;
    struct pe_parts *parts = &relay->parts;
    struct pe_part *last = parts->count ? &parts->items[parts->count - 1] : NULL;
    if (pe_buf_append(&relay->output, record->data, record->size, err) < 0)
        return -1;
    if (last && last->kind == kind) {
        last->size += record->size;
        return 0;
    }
    return pe_parts_add(parts, kind, NULL, record->size, 0, err);
}

/* A guest keeps no more of a stream than the job allows, so it has nothing more to send. */
static int check_output(struct live_relay *relay, const struct pe_live_record *record, struct pe_error *err)
{
    const bool is_stdout = record->kind == PE_LIVE_STDOUT;
    const struct pe_job_spec *job = &relay->job->job;
    const uint64_t most = is_stdout ? pe_job_spec_stdout_max(job) : pe_job_spec_stderr_max(job);
    uint64_t *streamed = &relay->streamed[is_stdout ? 0 : 1];
    if (!relay->watched)
        return pe_fail(err, PE_ERR_MALFORMED, "the guest sent output that nobody asked for");
    if (record->size > most - *streamed)
        return pe_fail(err, PE_ERR_MALFORMED, "the guest sent more output than it keeps");
    *streamed += record->size;
    return 0;
}

/* As many parts as a message may have, when the streams take turns. */
enum { PARTS_MAX = 64 };

/* Send what is in the ring, as long as the connection takes it. */
static int send_output(struct live_relay *relay, struct pe_error *err)
{
    struct pe_live_record record;
    struct pe_error lie;
    while (!relay->broken && !ws_client_is_sending(relay->balancer)) {
        int got = pe_live_take(&relay->end, &record, &lie);
        if (got < 0 || (got > 0 && check_output(relay, &record, &lie) < 0))
            give_up(relay, &lie);
        if (got <= 0 || relay->broken)
            break;
        if ((relay->output.size + record.size > PE_SLOT_BINARY_MAX || relay->parts.count == PARTS_MAX) &&
            flush_output(relay, err) < 0)
            return -1;
        if (record.size && collect(relay, &record, err) < 0)
            return -1;
    }
    return ws_client_is_sending(relay->balancer) ? 0 : flush_output(relay, err);
}

static int send_taken(struct live_relay *relay, struct pe_error *err)
{
    struct pe_message message = {.kind = PE_MESSAGE_TAKEN};
    struct pe_error lie;
    const uint64_t news = relay->end.theirs.taken - relay->taken;
    if (relay->broken || news == 0)
        return 0;
    if (relay->end.theirs.taken > relay->put) {
        pe_fail(&lie, PE_ERR_MALFORMED, "the guest took more input than it was given");
        give_up(relay, &lie);
        return 0;
    }
    relay->taken = relay->end.theirs.taken;
    message.bytes = (uint32_t)news;
    memcpy(message.id, relay->job->id, sizeof message.id);
    return queue_message(relay, &message, err);
}

int live_relay_pump(struct live_relay *relay, struct pe_error *err)
{
    if (!relay->started || (!relay->watched && !relay->job->input.open))
        return 0;
    if (ensure_open(relay, err) < 0)
        return -1;
    if (!relay->broken)
        put_all(relay);
    if (send_output(relay, err) < 0 || send_taken(relay, err) < 0)
        return -1;
    tell_guest(relay);
    return 0;
}

uint64_t live_relay_deadline(const struct live_relay *relay)
{
    const uint64_t listen_us = live_relay_listens(relay) ? 0 : relay->listen_us;
    if (!listen_us || !relay->ring_us)
        return listen_us + relay->ring_us;
    return listen_us < relay->ring_us ? listen_us : relay->ring_us;
}
