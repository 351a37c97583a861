/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of live jobs (proto/slot-protocol.md), sent properly or not. */
#include "tests/model/slot_live.h"

#include "base/cleanup.h"
#include "proto/limits.h"
#include "tests/model/choices.h"
#include "tests/model/clock.h"
#include "tests/model/output.h"

#include <string.h>

static size_t output_count;

size_t slot_output_count(void)
{
    return output_count;
}

/* ---- what is announced ---- */

static void announce_part(struct slot_actor *slot, enum live_stream stream, size_t size)
{
    struct announced *announced = &slot->announced;
    announced->parts[announced->count++] = (struct announced_part){.stream = stream, .size = size};
}

/* The next piece of a stream, which may be all that is left of it. */
static size_t choose_piece(const struct run *run, enum live_stream stream, size_t room)
{
    size_t left = run->live[stream] < run->sizes[stream] ? run->sizes[stream] - run->live[stream] : 0;
    size_t size = chance(options.is_chatty ? 10 : 30) ? left : left * choose(256) / 256;
    return size < room ? size : room;
}

static void choose_parts(struct slot_actor *slot)
{
    size_t room = PE_SLOT_BINARY_MAX;
    slot->announced.count = 0;
    for (int stream = 0; slot->run && stream < LIVE_STREAMS; stream++) {
        size_t size = choose_piece(slot->run, (enum live_stream)stream, room);
        room -= size;
        if (size)
            announce_part(slot, (enum live_stream)stream, size);
    }
    if (slot->announced.count)
        return;
    announce_part(slot, LIVE_STDOUT, 1);
    if (slot->run)
        slot->run->lies = true;
}

/* More than the program has printed, and perhaps more than it may. */
static void choose_too_much(struct slot_actor *slot)
{
    slot->announced.count = 0;
    if (slot->run)
        slot->run->lies = true;
    announce_part(slot, LIVE_STDERR, 1 + choose(100));
    announce_part(slot, LIVE_STDOUT, chance(50) ? 5000 : 100);
    announce_part(slot, LIVE_STDERR, 1);
}

static size_t announced_size(const struct announced *announced)
{
    size_t size = 0;
    for (unsigned i = 0; i < announced->count; i++)
        size += announced->parts[i].size;
    return size;
}

static void encode(const struct announced *announced, const char *id, struct pe_buf *text)
{
    struct pe_error err;
    pe_automessage struct pe_message message = {.kind = PE_MESSAGE_OUTPUT};
    snprintf(message.id, sizeof message.id, "%s", id);
    for (unsigned i = 0; i < announced->count; i++) {
        const struct announced_part *part = &announced->parts[i];
        enum pe_part_kind kind = part->stream == LIVE_STDOUT ? PE_PART_STDOUT : PE_PART_STDERR;
        if (pe_parts_add(&message.parts, kind, NULL, part->size, 0, &err) < 0)
            abort();
    }
    if (pe_message_encode(&message, text, &err) < 0)
        abort();
}

static void say_announced(struct slot_actor *slot, const char *id)
{
    pe_autobuf struct pe_buf text = {0};
    bool may_print = slot->view == VIEW_RUNNING && slot->is_watched && !slot->is_announced;
    enum reaction reaction = strcmp(id, slot->id) != 0 || !slot->id[0] ? CLOSED
                             : slot->view == VIEW_CANCELED             ? IGNORED
                             : may_print                               ? TAKEN
                                                                       : CLOSED;
    encode(&slot->announced, id, &text);
    TRACE("slot %u announces %zu bytes of output of run %u", slot->number, announced_size(&slot->announced),
          slot->run ? slot->run->number : 0);
    if (reaction == TAKEN)
        slot->is_announced = slot->has_begun = true;
    slot_say(slot, true, text.data, text.size, reaction);
}

/* ---- the bytes ---- */

/* Count the parts. A part beyond the limit of its stream is refused, and what follows it is not read. */
static bool count_parts(struct slot_actor *slot)
{
    for (unsigned i = 0; i < slot->announced.count; i++) {
        const struct announced_part *part = &slot->announced.parts[i];
        size_t *live = &slot->run->live[part->stream];
        if (part->size > output_limit(slot->run->work, part->stream) - *live)
            return false;
        *live += part->size;
    }
    return true;
}

static void append_parts(const struct slot_actor *slot, struct pe_buf *bytes)
{
    size_t live[LIVE_STREAMS] = {0};
    for (unsigned i = 0; i < slot->announced.count; i++) {
        const struct announced_part *part = &slot->announced.parts[i];
        size_t from = slot->run->live[part->stream] + live[part->stream];
        output_append_live(slot->run, part->stream, from, part->size, bytes);
        live[part->stream] += part->size;
    }
}

static void say_bytes(struct slot_actor *slot)
{
    pe_autobuf struct pe_buf bytes = {0};
    TRACE("slot %u sends the output", slot->number);
    if (!slot->is_announced) { /* its job was cancelled in between, or the message was refused */
        uint8_t nothing = 0;
        if (peer_is_heard(&slot->peer))
            slot_say(slot, false, &nothing, 1, slot->view == VIEW_CANCELED ? IGNORED : CLOSED);
        return;
    }
    append_parts(slot, &bytes);
    slot->is_announced = false;
    output_count++;
    slot->run->group->printed_us = clock_us;
    slot_say(slot, false, bytes.data, bytes.size, count_parts(slot) ? TAKEN : CLOSED);
}

/* ---- acting ---- */

bool slot_has_output(const struct slot_actor *slot)
{
    const struct run *run = slot->run;
    return run && (run->live[LIVE_STDOUT] < run->sizes[LIVE_STDOUT] ||
                   run->live[LIVE_STDERR] < run->sizes[LIVE_STDERR]);
}

void slot_say_output(struct slot_actor *slot, const char *id)
{
    if (slot->owes_output) {
        slot->owes_output = false;
        say_bytes(slot);
        return;
    }
    choose_parts(slot);
    say_announced(slot, id);
    slot->owes_output = peer_is_heard(&slot->peer);
    if (slot->owes_output && chance(80))
        slot_say_output(slot, id);
}

void slot_misuse_output(struct slot_actor *slot, const char *id)
{
    static const uint8_t bytes[8];
    if (!slot->is_announced) {
        choose_too_much(slot);
        say_announced(slot, id);
        slot->owes_output = peer_is_heard(&slot->peer);
        return;
    }
    size_t size = announced_size(&slot->announced) == sizeof bytes ? 1 : sizeof bytes;
    slot_say(slot, false, bytes, size, CLOSED);
}

/* ---- input ---- */

bool slot_has_input(const struct slot_actor *slot)
{
    return slot->run && slot->run->input_sent > slot->run->input_taken;
}

bool slot_waits_for_input(const struct slot_actor *slot)
{
    return slot->run && slot->run->group->needs_live && !slot->run->has_eof;
}

void slot_say_taken(struct slot_actor *slot, const char *id)
{
    char text[PE_ID_MAX + 96];
    struct run *run = slot->run;
    size_t left = slot_has_input(slot) ? run->input_sent - run->input_taken : 0;
    size_t bytes = left ? 1 + (left - 1) * choose(256) / 255 : 1 + choose(5);
    bytes += chance(2) ? left : 0;
    snprintf(text, sizeof text, "{\"type\":\"taken\",\"id\":\"%s\",\"bytes\":%zu}", id, bytes);
    bool may_take = slot->view == VIEW_RUNNING && !slot->is_announced && bytes <= left;
    enum reaction reaction = strcmp(id, slot->id) != 0 || !slot->id[0] ? CLOSED
                             : slot->view == VIEW_CANCELED             ? IGNORED
                             : may_take                                ? TAKEN
                                                                       : CLOSED;
    TRACE("slot %u has taken %zu bytes of input", slot->number, bytes);
    if (reaction == TAKEN) {
        run->input_taken += bytes;
        slot->has_begun = true;
    }
    slot_say(slot, true, text, strlen(text), reaction);
}
