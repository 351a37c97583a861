/* SPDX-License-Identifier: Apache-2.0 */
/* Headers and records of the live device. Who rings the doorbell, and when, is up to the two ends:
 * guest-init/live.c and worker/job/live_port.c. */
#include "proto/live_ring.h"

#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

/* Where what is on the device. */
enum {
    SLOT_HEADER = 0,
    GUEST_HEADER = 4096,
    TO_GUEST_START = 64 * 1024,
    TO_GUEST_SIZE = 256 * 1024,
    TO_SLOT_START = 1024 * 1024,
    TO_SLOT_SIZE = 2 * 1024 * 1024,
};

_Static_assert(TO_SLOT_START + TO_SLOT_SIZE <= PE_LIVE_DEVICE_BYTES, "both rings fit into the device");

struct ring {
    uint64_t start, size;
};

static const struct ring to_guest = {TO_GUEST_START, TO_GUEST_SIZE}, to_slot = {TO_SLOT_START, TO_SLOT_SIZE};

static const struct ring *outgoing(const struct pe_live_end *end)
{
    return end->side == PE_LIVE_SLOT ? &to_guest : &to_slot;
}

static const struct ring *incoming(const struct pe_live_end *end)
{
    return end->side == PE_LIVE_SLOT ? &to_slot : &to_guest;
}

/* ---- numbers, little endian ---- */

static void write_number(uint8_t *at, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(number >> (8 * i));
}

static uint64_t read_number(const uint8_t *at)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number |= (uint64_t)at[i] << (8 * i);
    return number;
}

/* ---- headers ---- */

/* The number behind the counters. It is 0 on a new device. The factors are odd and without a pattern, so that
 * a mixture of two headers does not have the sum of either. */
static uint64_t checksum(const struct pe_live_counters *counters)
{
    return counters->produced * 0x9e3779b97f4a7c15u + counters->consumed * 0xc2b2ae3d27d4eb4fu +
           counters->taken * 0x165667b19e3779f9u;
}

static bool decode_header(const uint8_t *block, struct pe_live_counters *counters)
{
    *counters = (struct pe_live_counters){
        .produced = read_number(block), .consumed = read_number(block + 8), .taken = read_number(block + 16)};
    return read_number(block + 24) == checksum(counters);
}

/* Whether the other end's counters can follow those that it had before. */
static bool are_possible(const struct pe_live_end *end, const struct pe_live_counters *now)
{
    const struct pe_live_counters *before = &end->theirs;
    return now->produced >= before->produced && now->consumed >= before->consumed &&
           now->taken >= before->taken && now->produced % PE_LIVE_BLOCK == 0 &&
           now->consumed % PE_LIVE_BLOCK == 0 && now->consumed <= end->mine.produced &&
           now->produced >= end->mine.consumed && now->produced - end->mine.consumed <= incoming(end)->size;
}

int pe_live_refresh(struct pe_live_end *end, struct pe_error *err)
{
    const uint64_t place = end->side == PE_LIVE_SLOT ? GUEST_HEADER : SLOT_HEADER;
    struct pe_live_counters now;
    if (end->device.read(end->device.context, place, end->received, PE_LIVE_BLOCK, err) < 0)
        return -1;
    if (!decode_header(end->received, &now))
        return 0;
    if (!are_possible(end, &now))
        return pe_fail(err, PE_ERR_MALFORMED, "the counters of the live device are not possible");
    end->theirs = now;
    return 0;
}

int pe_live_publish(struct pe_live_end *end, struct pe_error *err)
{
    const uint64_t place = end->side == PE_LIVE_SLOT ? SLOT_HEADER : GUEST_HEADER;
    if (!end->unpublished)
        return 0;
    memset(end->sent, 0, PE_LIVE_BLOCK);
    write_number(end->sent, end->mine.produced);
    write_number(end->sent + 8, end->mine.consumed);
    write_number(end->sent + 16, end->mine.taken);
    write_number(end->sent + 24, checksum(&end->mine));
    if (end->device.write(end->device.context, place, end->sent, PE_LIVE_BLOCK, err) < 0)
        return -1;
    end->unpublished = false;
    return 0;
}

/* ---- rings ---- */

static uint64_t in_blocks(uint64_t size)
{
    return (size + PE_LIVE_BLOCK - 1) / PE_LIVE_BLOCK * PE_LIVE_BLOCK;
}

/* The part of `size` bytes at `position` that is in front of the end of the ring. */
static size_t first_part(const struct ring *ring, uint64_t position, size_t size)
{
    uint64_t left = ring->size - position % ring->size;
    return size < left ? size : (size_t)left;
}

static int write_ring(const struct pe_live_end *end, const uint8_t *bytes, size_t size, struct pe_error *err)
{
    const struct ring *ring = outgoing(end);
    const uint64_t position = end->mine.produced;
    const size_t first = first_part(ring, position, size);
    if (end->device.write(end->device.context, ring->start + position % ring->size, bytes, first, err) < 0)
        return -1;
    return size == first
               ? 0
               : end->device.write(end->device.context, ring->start, bytes + first, size - first, err);
}

static int read_ring(const struct pe_live_end *end, uint64_t position, uint8_t *bytes, size_t size,
                     struct pe_error *err)
{
    const struct ring *ring = incoming(end);
    const size_t first = first_part(ring, position, size);
    if (end->device.read(end->device.context, ring->start + position % ring->size, bytes, first, err) < 0)
        return -1;
    return size == first
               ? 0
               : end->device.read(end->device.context, ring->start, bytes + first, size - first, err);
}

/* ---- records ---- */

size_t pe_live_room(const struct pe_live_end *end)
{
    uint64_t left = outgoing(end)->size - (end->mine.produced - end->theirs.consumed);
    if (left > PE_LIVE_RECORD_MAX)
        left = PE_LIVE_RECORD_MAX;
    return left ? (size_t)left - PE_LIVE_RECORD_HEAD : 0;
}

int pe_live_put(struct pe_live_end *end, enum pe_live_kind kind, const void *data, size_t size,
                struct pe_error *err)
{
    const size_t whole = (size_t)in_blocks(PE_LIVE_RECORD_HEAD + size);
    if (size > pe_live_room(end))
        return pe_fail(err, PE_ERR_TOO_LARGE, "the ring has no room for a record of %zu bytes", size);
    memset(end->sent, 0, PE_LIVE_RECORD_HEAD);
    write_number(end->sent, (uint64_t)kind);
    write_number(end->sent + 8, size);
    if (size)
        memcpy(end->sent + PE_LIVE_RECORD_HEAD, data, size);
    memset(end->sent + PE_LIVE_RECORD_HEAD + size, 0, whole - PE_LIVE_RECORD_HEAD - size);
    if (write_ring(end, end->sent, whole, err) < 0)
        return -1;
    end->mine.produced += whole;
    end->unpublished = true;
    return 0;
}

static bool is_for(enum pe_live_side side, uint64_t kind)
{
    if (side == PE_LIVE_SLOT)
        return kind == PE_LIVE_STDOUT || kind == PE_LIVE_STDERR;
    return kind >= PE_LIVE_WATCH && kind <= PE_LIVE_SIGNAL;
}

int pe_live_take(struct pe_live_end *end, struct pe_live_record *record, struct pe_error *err)
{
    const uint64_t there = end->theirs.produced - end->mine.consumed;
    if (there == 0)
        return 0;
    if (read_ring(end, end->mine.consumed, end->received, PE_LIVE_BLOCK, err) < 0)
        return -1;
    const uint64_t kind = read_number(end->received), size = read_number(end->received + 8);
    if (!is_for(end->side, kind) || size > PE_LIVE_DATA_MAX || in_blocks(PE_LIVE_RECORD_HEAD + size) > there)
        return pe_fail(err, PE_ERR_MALFORMED, "a record of the live device is not valid");
    const size_t whole = (size_t)in_blocks(PE_LIVE_RECORD_HEAD + size);
    if (whole > PE_LIVE_BLOCK && read_ring(end, end->mine.consumed + PE_LIVE_BLOCK,
                                           end->received + PE_LIVE_BLOCK, whole - PE_LIVE_BLOCK, err) < 0)
        return -1;
    *record = (struct pe_live_record){
        .kind = (enum pe_live_kind)kind, .data = end->received + PE_LIVE_RECORD_HEAD, .size = (size_t)size};
    end->mine.consumed += whole;
    end->unpublished = true;
    return 1;
}

/* ---- beginning and end ---- */

int pe_live_open(struct pe_live_end *end, enum pe_live_side side, const struct pe_live_device *device,
                 struct pe_error *err)
{
    *end = (struct pe_live_end){.device = *device, .side = side};
    end->received = aligned_alloc(4096, PE_LIVE_RECORD_MAX);
    end->sent = aligned_alloc(4096, PE_LIVE_RECORD_MAX);
    return end->received && end->sent ? 0 : pe_fail_errno(err, "out of memory for the records of a live job");
}

void pe_live_free(struct pe_live_end *end)
{
    free(end->received);
    free(end->sent);
    *end = (struct pe_live_end){0};
}
