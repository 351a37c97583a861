/* SPDX-License-Identifier: Apache-2.0 */
/* Slots: what they say, and what the balancer must do then. */
#include "tests/model/hosts.h"

#include "base/cleanup.h"
#include "proto/limits.h"
#include "tests/model/balancer.h"
#include "tests/model/book.h"
#include "tests/model/choices.h"
#include "tests/model/clients.h"
#include "tests/model/clock.h"
#include "tests/model/deletions.h"
#include "tests/model/input.h"
#include "tests/model/output.h"
#include "tests/model/slot_live.h"

#include <string.h>

#define RUN_GRACE_US 120000000u
#define CANCEL_US 30000000u
#define LINK_BYTES_PER_S 16384u /* files and results get so much more time */

struct slot_actor slots[SLOTS];

static struct slot_actor *from_peer(struct peer *peer)
{
    return pe_list_entry(peer, struct slot_actor, peer);
}

bool slot_is_ready(const struct slot_actor *slot)
{
    return peer_is_heard(&slot->peer) && slot->view == VIEW_READY;
}

static uint64_t transfer_us(uint64_t bytes)
{
    return bytes * 1000000 / LINK_BYTES_PER_S;
}

/* ---- what the balancer does ---- */

static void on_job(struct slot_actor *slot, const struct pe_message *message)
{
    book_on_job(slot, message);
    slot->view = VIEW_INPUT;
    slot->deadline_us = clock_us + message->job.timeout_ms * 1000ull + RUN_GRACE_US +
                        transfer_us(pe_parts_size(&message->parts));
    slot->input_bytes = 0;
    slot->input_size = (size_t)pe_parts_size(&message->parts);
    slot->input_announced = 0;
    slot->is_watched = slot->has_begun = slot->is_announced = false;
    memcpy(slot->id, message->id, sizeof slot->id);
}

static void on_cancel(struct slot_actor *slot)
{
    struct run *run = slot->run;
    EXPECT(run, "slot %u is told to cancel nothing", slot->number);
    book_sync();
    EXPECT(run->group->members == 0, "run %u is cancelled, but %u requests wait for it", run->number,
           run->group->members);
    EXPECT(!run->group->is_copy || book_must_yield(run) || deletion_is_under_way(),
           "copy %u is cancelled for no reason", run->number);
    book_end_run(run, RUN_CANCELED, false);
    slot->view = VIEW_CANCELED;
    slot->is_announced = false;
    slot->deadline_us = clock_us + CANCEL_US;
}

static void on_watch(struct slot_actor *slot)
{
    book_sync();
    EXPECT(slot->view == VIEW_RUNNING && slot->is_live && !slot->is_watched,
           "slot %u is asked for output out of order", slot->number);
    EXPECT(slot->run->group->is_watched, "run %u is watched by nobody", slot->run->number);
    slot->is_watched = true;
}

static void on_text(struct slot_actor *slot, const uint8_t *bytes, size_t size)
{
    struct pe_error err;
    pe_automessage struct pe_message message;
    EXPECT(pe_message_decode(bytes, size, &message, &err) == 0, "slot %u is sent '%.*s': %s", slot->number,
           (int)size, (const char *)bytes, err.message);
    if (message.kind == PE_MESSAGE_JOB) {
        on_job(slot, &message);
        return;
    }
    if (message.kind == PE_MESSAGE_WELCOME) {
        EXPECT(slot->is_shared && !slot->was_welcomed, "slot %u is welcomed for no reason", slot->number);
        slot->was_welcomed = true;
        return;
    }
    EXPECT(!strcmp(message.id, slot->id), "slot %u gets a message for %s", slot->number, message.id);
    if (message.kind == PE_MESSAGE_CANCEL) {
        on_cancel(slot);
        return;
    }
    if (message.kind == PE_MESSAGE_WATCH) {
        on_watch(slot);
        return;
    }
    if (message.kind != PE_MESSAGE_END) {
        EXPECT(message.kind >= PE_MESSAGE_INPUT && message.kind <= PE_MESSAGE_SIGNAL && slot->is_live,
               "slot %u gets a message that no balancer sends", slot->number);
        input_on_message(slot, &message);
        return;
    }
    EXPECT(message.kind == PE_MESSAGE_END && slot->view == VIEW_INPUT, "slot %u gets a message out of order",
           slot->number);
    EXPECT(slot->input_bytes == slot->input_size, "run %u gets %zu bytes of input", slot->run->number,
           slot->input_bytes);
    slot->view = VIEW_RUNNING;
}

static void on_sent(struct peer *peer, bool is_text, const uint8_t *bytes, size_t size)
{
    struct slot_actor *slot = from_peer(peer);
    if (is_text) {
        on_text(slot, bytes, size);
        return;
    }
    if (slot->view == VIEW_RUNNING) {
        input_on_bytes(slot, bytes, size);
        return;
    }
    EXPECT(slot->view == VIEW_INPUT, "slot %u gets input without a job", slot->number);
    size_t of_file = client_file_size(slot->run->work.payload); /* a plan may follow */
    for (size_t i = 0; i < size && slot->input_bytes + i < of_file; i++)
        EXPECT(bytes[i] == client_file_byte(slot->run->work.payload, slot->input_bytes + i),
               "run %u gets wrong input", slot->run->number);
    slot->input_bytes += size;
}

static void lose_run(struct slot_actor *slot)
{
    if (slot->run)
        book_end_run(slot->run, RUN_LOST, false);
}

static void on_closing(struct peer *peer)
{
    struct slot_actor *slot = from_peer(peer);
    bool is_late = slot->view >= VIEW_INPUT && clock_us > slot->deadline_us;
    bool is_dismissed = balancer.exchanges.draining && slot->view == VIEW_READY;
    EXPECT(slot->must_close || is_late || is_dismissed, "slot %u is closed for no reason", slot->number);
    if (!slot->must_close && is_late) {
        lose_run(slot);
        slot->is_out = true;
    }
    slot->is_out |= is_dismissed;
}

static void on_end(struct peer *peer)
{
    struct slot_actor *slot = from_peer(peer);
    TRACE("slot %u ends", slot->number);
    lose_run(slot);
    slot->view = VIEW_IDLE;
    slot->has_name = slot->is_elsewhere = false;
}

/* ---- saying something ---- */

/* Say something of which the balancer must close the connection and lose the job. */
static void say_fault(struct slot_actor *slot, bool is_text, const void *bytes, size_t size)
{
    if (!peer_is_heard(&slot->peer))
        return;
    TRACE("slot %u must be closed", slot->number);
    slot->must_close = true;
    slot->is_announced = false;
    lose_run(slot);
    slot->view = VIEW_IDLE;
    slot->is_out = true;
    peer_say(&slot->peer, is_text, bytes, size);
    EXPECT(!peer_is_heard(&slot->peer), "slot %u stays open", slot->number);
}

void slot_say(struct slot_actor *slot, bool is_text, const void *bytes, size_t size, enum reaction reaction)
{
    if (reaction == CLOSED) {
        say_fault(slot, is_text, bytes, size);
        return;
    }
    bool was_heard = peer_is_heard(&slot->peer);
    peer_say(&slot->peer, is_text, bytes, size);
    EXPECT(peer_is_heard(&slot->peer) == was_heard || slot->must_close, "slot %u is closed", slot->number);
}

static void encode(const struct pe_message *message, struct pe_buf *text)
{
    struct pe_error err;
    if (pe_message_encode(message, text, &err) < 0)
        abort();
}

static void say_ready(struct slot_actor *slot)
{
    struct pe_message message = {.kind = PE_MESSAGE_READY, .shared = slot->is_shared, .live = chance(80)};
    pe_autobuf struct pe_buf text = {0};
    unsigned name = chance(85) ? slot->number % NAMES : choose(NAMES);
    int warm = options.is_busy ? 0 : chance(50) ? (int)choose(IMAGES) : -1;
    snprintf(message.host, sizeof message.host, "%s", name_of_host(name));
    snprintf(message.warm, sizeof message.warm, "%s", warm < 0 ? "" : name_of_image((unsigned)warm));
    encode(&message, &text);
    TRACE("slot %u of worker %u is ready, warm for %d", slot->number, name, warm);
    enum reaction reaction = slot->view == VIEW_RESULT ? CLOSED : slot->view <= VIEW_READY ? TAKEN : IGNORED;
    if (reaction == TAKEN && peer_is_heard(&slot->peer)) {
        slot->view = VIEW_READY;
        slot->has_name = true;
        slot->is_elsewhere = false;
        slot->name = name;
        slot->warm = warm;
        slot->is_live = message.live;
    }
    slot_say(slot, true, text.data, text.size, reaction);
    EXPECT(reaction == CLOSED || !slot->is_shared || slot->was_welcomed || !peer_is_heard(&slot->peer),
           "slot %u is not welcomed", slot->number);
}

/* ---- several balancers ---- */

static void say_withdraw(struct slot_actor *slot)
{
    static const char text[] = "{\"type\":\"withdraw\"}";
    enum reaction reaction = !slot->was_welcomed || slot->view == VIEW_RESULT ? CLOSED
                             : slot->view <= VIEW_READY                       ? TAKEN
                                                                              : IGNORED;
    TRACE("slot %u is withdrawn", slot->number);
    if (reaction == TAKEN && peer_is_heard(&slot->peer)) {
        slot->view = VIEW_IDLE;
        slot->is_elsewhere = true;
    }
    slot_say(slot, true, text, sizeof text - 1, reaction);
}

static bool may_return(const struct slot_actor *slot)
{
    return slot->was_welcomed && !slot->has_begun;
}

static void say_return(struct slot_actor *slot, const char *id)
{
    char text[PE_ID_MAX + 64];
    snprintf(text, sizeof text, "{\"type\":\"return\",\"id\":\"%s\"}", id);
    bool has_job = slot->view == VIEW_INPUT || slot->view == VIEW_RUNNING;
    enum reaction reaction = strcmp(id, slot->id) != 0 || !slot->id[0] ? CLOSED
                             : slot->view == VIEW_CANCELED             ? TAKEN
                             : has_job && may_return(slot)             ? TAKEN
                                                                       : CLOSED;
    TRACE("slot %u gives run %u back", slot->number, slot->run ? slot->run->number : 0);
    if (reaction == TAKEN) {
        slot->is_elsewhere |= has_job;
        if (slot->run)
            book_return_run(slot->run);
        slot->view = VIEW_IDLE;
    }
    slot_say(slot, true, text, strlen(text), reaction);
}

/* ---- results ---- */

static void make_output(struct slot_actor *slot, const struct run *run)
{
    slot->result.size = 0;
    for (int i = 0; i < LIVE_STREAMS; i++)
        output_append(run, (enum live_stream)i, 0, run->sizes[i], &slot->result);
}

/* A job that ends while one of its programs runs has often exceeded its time. */
static enum pe_status choose_status(const struct run *run)
{
    static const enum pe_status others[] = {PE_STATUS_SIGNALED, PE_STATUS_TIMEOUT, PE_STATUS_OOM,
                                            PE_STATUS_VM_ERROR};
    const struct report *report = run->report;
    if (report && report->count && report->records[report->count - 1].ending.is_unended && chance(50))
        return PE_STATUS_TIMEOUT;
    return chance(85) ? PE_STATUS_EXITED : others[choose(4)];
}

static void fill_result(struct slot_actor *slot, struct run *run, struct pe_result *result)
{
    bool lies = chance(4);
    unsigned variant = lies ? (run->variant == 3 ? 1 : 3) : run->variant;
    enum pe_isolation isolation = (enum pe_isolation)(1 + choose(3));
    result->status = choose_status(run);
    result->isolation = chance(4) ? isolation : run->worker_isolation;
    snprintf(result->image, sizeof result->image, "%s", name_of_image(run->work.image));
    snprintf(result->image_digest, sizeof result->image_digest, "%s", digest_of(run->work.image, variant));
    run->fits = !lies;
    run->isolation = result->isolation;
    run->status = result->status;
    result->wall_us = run->report ? run->number * 1000ull : 0; /* names the run */
    run->is_final = result->status == PE_STATUS_EXITED || result->status == PE_STATUS_SIGNALED;
    make_output(slot, run);
}

/* Whether the parts are as the protocol prescribes. */
static bool add_parts(struct pe_message *message, const size_t sizes[LIVE_STREAMS])
{
    struct pe_error err;
    unsigned fault = chance(4) ? 1 + choose(3) : 0;
    if (pe_parts_add(&message->parts, fault == 1 ? PE_PART_STDERR : PE_PART_STDOUT, NULL, sizes[LIVE_STDOUT],
                     0, &err) < 0 ||
        (fault != 2 &&
         pe_parts_add(&message->parts, PE_PART_STDERR, NULL, sizes[LIVE_STDERR], 0, &err) < 0) ||
        (fault == 3 && pe_parts_add(&message->parts, PE_PART_STDOUT, NULL, 0, 0, &err) < 0))
        abort();
    return !fault;
}

static void say_result(struct slot_actor *slot, const char *id)
{
    struct run nobody = {.number = 0};
    struct run *run = slot->run ? slot->run : &nobody;
    pe_autobuf struct pe_buf text = {0};
    pe_automessage struct pe_message message = {.kind = PE_MESSAGE_RESULT};
    snprintf(message.id, sizeof message.id, "%s", id);
    if (slot->view == VIEW_RUNNING)
        fill_result(slot, run, &message.result);
    bool is_good = add_parts(&message, slot->view == VIEW_RUNNING ? run->sizes : nobody.sizes);
    encode(&message, &text);
    TRACE("slot %u sends the result of run %u", slot->number, run->number);
    bool is_wrong = slot->view != VIEW_RUNNING || !is_good || slot->is_announced;
    enum reaction reaction = strcmp(id, slot->id) != 0 || !slot->id[0] ? CLOSED
                             : slot->view == VIEW_CANCELED             ? IGNORED
                             : is_wrong                                ? CLOSED
                             : run->group && pe_isolation_accepted(run->group->demand, run->isolation)
                                 ? TAKEN
                                 : CLOSED;
    if (reaction == TAKEN) {
        slot->view = VIEW_RESULT;
        run->has_result = true;
        slot->left = slot->result.size;
        slot->owes_output = false;
        slot->deadline_us += transfer_us(slot->left);
    }
    slot_say(slot, true, text.data, text.size, reaction);
}

static void say_bytes(struct slot_actor *slot, size_t size)
{
    enum reaction reaction = size > PE_SLOT_BINARY_MAX                         ? CLOSED
                             : slot->view == VIEW_CANCELED                     ? IGNORED
                             : slot->view == VIEW_RESULT && size <= slot->left ? TAKEN
                                                                               : CLOSED;
    static const uint8_t nonsense[512 * 1024];
    const uint8_t *bytes = nonsense;
    if (reaction == TAKEN) {
        bytes = slot->result.data + slot->result.size - slot->left;
        slot->left -= size;
    }
    TRACE("slot %u sends %zu bytes", slot->number, size);
    slot_say(slot, false, bytes, size, reaction);
}

static void say_end(struct slot_actor *slot, const char *id)
{
    char text[PE_ID_MAX + 64];
    snprintf(text, sizeof text, "{\"type\":\"end\",\"id\":\"%s\"}", id);
    TRACE("slot %u sends end", slot->number);
    enum reaction reaction = strcmp(id, slot->id) != 0 || !slot->id[0]      ? CLOSED
                             : slot->view == VIEW_CANCELED                  ? TAKEN
                             : slot->view == VIEW_RESULT && slot->left == 0 ? TAKEN
                                                                            : CLOSED;
    if (reaction == TAKEN) {
        if (slot->run)
            book_end_run(slot->run, RUN_COMPLETE, false);
        slot->view = VIEW_IDLE;
    }
    slot_say(slot, true, text, strlen(text), reaction);
}

static void say_error(struct slot_actor *slot, const char *id, bool of_vm)
{
    char text[PE_ID_MAX + 192];
    struct run *run = slot->run;
    snprintf(text, sizeof text,
             "{\"type\":\"error\",\"id\":\"%s\",\"problem\":{\"type\":\"/problems/%s\",\"title\":\"t\","
             "\"status\":%d,\"detail\":\"run %u\"}}",
             id, of_vm ? PE_SLOT_VM_LOST : "model-refuses", chance(50) ? 500 : 503, run ? run->number : 0);
    TRACE("slot %u sends error%s", slot->number, of_vm ? " vm-lost" : "");
    if (strcmp(id, slot->id) != 0 || !slot->id[0] || slot->view == VIEW_RESULT || slot->is_announced) {
        say_fault(slot, true, text, strlen(text));
        return;
    }
    slot->must_close = slot->view == VIEW_INPUT;
    if (run && slot->view != VIEW_CANCELED)
        book_end_run(run, of_vm ? RUN_LOST : RUN_REFUSED, of_vm);
    if (slot->view != VIEW_READY)
        slot->view = VIEW_IDLE;
    slot_say(slot, true, text, strlen(text), TAKEN);
}

/* ---- acting ---- */

static void read_one(struct slot_actor *slot)
{
    struct pe_error err;
    struct unread *unread = peer_read(&slot->peer);
    pe_automessage struct pe_message message = {0};
    if (!unread)
        return;
    if (unread->is_text && pe_message_decode(unread->bytes, unread->size, &message, &err) < 0)
        abort();
    if (unread->is_text && message.kind == PE_MESSAGE_JOB) {
        slot->knows_job = true;
        slot->knows_end = slot->knows_cancel = slot->knows_watch = false;
        memcpy(slot->known_id, message.id, sizeof slot->known_id);
    }
    slot->knows_end |= unread->is_text && message.kind == PE_MESSAGE_END;
    slot->knows_watch |= unread->is_text && message.kind == PE_MESSAGE_WATCH;
    slot->knows_cancel |= unread->is_text && message.kind == PE_MESSAGE_CANCEL;
    free(unread);
}

static void forget_job(struct slot_actor *slot)
{
    slot->knows_job = slot->knows_end = slot->knows_cancel = slot->knows_watch = false;
    slot->is_sending = false;
}

/* Send the next part of the result that is being sent. */
static void go_on_sending(struct slot_actor *slot)
{
    if (slot->view == VIEW_RESULT && slot->left) {
        size_t size = slot->left < PE_SLOT_BINARY_MAX ? slot->left : PE_SLOT_BINARY_MAX;
        say_bytes(slot, size > 40 && chance(30) ? 1 + size * choose(256) / 257 : size);
        return;
    }
    if (slot->view == VIEW_CANCELED && chance(50)) {
        say_bytes(slot, 8);
        return;
    }
    forget_job(slot);
    say_end(slot, slot->known_id);
}

/* What a worker does that keeps the protocol. */
static void go_on(struct slot_actor *slot)
{
    if (slot->owes_output) {
        slot_say_output(slot, slot->known_id);
    } else if (slot->is_sending) {
        go_on_sending(slot);
    } else if (slot->knows_cancel) {
        forget_job(slot);
        say_error(slot, slot->known_id, false);
    } else if (slot->knows_job && slot->knows_watch && slot_has_output(slot) && chance(70)) {
        slot_say_output(slot, slot->known_id);
    } else if (slot->knows_job && slot->knows_end && slot_has_input(slot) && chance(50)) {
        slot_say_taken(slot, slot->known_id);
    } else if (slot->knows_job && may_return(slot) && chance(slot_waits_for_input(slot) ? 25 : 10)) {
        forget_job(slot);
        say_withdraw(slot);
        say_return(slot, slot->known_id);
    } else if (slot->knows_job && chance(options.vm_deaths)) {
        forget_job(slot);
        say_error(slot, slot->known_id, true);
    } else if (slot->knows_job && chance(3)) {
        forget_job(slot);
        say_error(slot, slot->known_id, false);
    } else if (slot->knows_job && slot_waits_for_input(slot) && chance(75)) {
        return;
    } else if (slot->knows_job && slot->knows_end) {
        slot->is_sending = true;
        say_result(slot, slot->known_id);
    } else if (!slot->knows_job && slot->was_welcomed && chance(20)) {
        say_withdraw(slot);
    } else if (!slot->knows_job) {
        say_ready(slot);
    }
}

static void misbehave(struct slot_actor *slot)
{
    static const char *const texts[] = {"",
                                        "{}",
                                        "[1",
                                        "{\"type\":\"cancel\",\"id\":\"x\"}",
                                        "{\"type\":\"ready\",\"protocol\":2,\"host\":\"w\",\"warm\":\"\"}",
                                        "{\"type\":\"hello\",\"protocol\":3}"};
    const char *id = chance(70) ? slot->id : "another-id";
    const char *text = texts[choose(sizeof texts / sizeof *texts)];
    switch (slot->has_begun && chance(40) ? 7 : choose(12)) {
    case 0:
        say_fault(slot, true, text, strlen(text));
        break;
    case 1:
        say_result(slot, id);
        break;
    case 2:
        if (!slot->is_announced)
            say_bytes(slot, slot->left + 1 + choose(100));
        break;
    case 3:
        say_end(slot, id);
        break;
    case 4:
        say_error(slot, id, chance(50));
        break;
    case 5:
        say_bytes(slot, 0);
        break;
    case 6:
        say_withdraw(slot);
        break;
    case 7:
        say_return(slot, id);
        break;
    case 8:
        slot_say_output(slot, id);
        break;
    case 9:
        slot_misuse_output(slot, id);
        break;
    case 10:
        slot_say_taken(slot, id);
        break;
    default:
        say_ready(slot);
    }
}

static void open_slot(struct slot_actor *slot)
{
    forget_job(slot);
    slot->view = VIEW_IDLE;
    slot->has_name = slot->must_close = slot->is_out = false;
    slot->was_welcomed = slot->is_elsewhere = slot->owes_output = slot->is_announced = false;
    slot->is_shared = chance(50);
    slot->id[0] = slot->known_id[0] = '\0';
    slot->left = 0;
    peer_open(&slot->peer, true);
}

void slot_act(void)
{
    struct slot_actor *slot = &slots[choose(options.slots)];
    if (!slot->peer.ws) {
        open_slot(slot);
        say_ready(slot);
    } else if (chance(options.slot_deaths)) {
        peer_end(&slot->peer);
    } else if (!peer_is_heard(&slot->peer)) {
        read_one(slot);
        if (chance(20))
            peer_end(&slot->peer);
    } else if (chance(3)) {
        misbehave(slot);
    } else {
        for (unsigned count = choose(6); count > 0; count--)
            read_one(slot);
        go_on(slot);
    }
}

void slots_reset(void)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        pe_buf_free(&slots[i].result);
        slots[i] = (struct slot_actor){
            .peer = {.on_sent = on_sent, .on_closing = on_closing, .on_end = on_end}, .number = i};
    }
}
