/* SPDX-License-Identifier: Apache-2.0 */
/* The live device of a VM: memory that the slot and the guest share while a job runs, with a ring of records
 * for each direction (proto/guest-contract.md). This code is used by both ends.
 *
 * Each end has a header that only it writes: how many bytes of records it has produced, how many of the other
 * end's it has consumed, and how many bytes of input the program was given. They only grow. An end
 * reads the other's header once, and checks it before it uses it: a number that goes back, or is
 * beyond what the ring can hold, is a lie. A record is copied before it is looked at.
 *
 * Everything is read and written in blocks of PE_LIVE_BLOCK bytes, because the guest uses O_DIRECT. A block
 * is not written at once, so a header has a checksum. One that does not match is being written, and its
 * writer will ring the doorbell afterwards. */
#ifndef PE_PROTO_LIVE_RING_H
#define PE_PROTO_LIVE_RING_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PE_LIVE_BLOCK 512u

/* The greatest record, with its head and in whole blocks. */
#define PE_LIVE_RECORD_MAX (64u * 1024u)
#define PE_LIVE_RECORD_HEAD 16u
#define PE_LIVE_DATA_MAX (PE_LIVE_RECORD_MAX - PE_LIVE_RECORD_HEAD)

/* What a record says, and who sends it. */
enum pe_live_kind {
    PE_LIVE_WATCH = 1, /* slot: send the output */
    PE_LIVE_INPUT,     /* slot: bytes for standard input */
    PE_LIVE_EOF,       /* slot: no more of them follow */
    PE_LIVE_RESIZE,    /* slot: rows and columns, two bytes each, little endian */
    PE_LIVE_SIGNAL,    /* slot: the number of a signal, one byte */
    PE_LIVE_STDOUT,    /* guest: bytes of stdout */
    PE_LIVE_STDERR,    /* guest: bytes of stderr */
};

struct pe_live_record {
    enum pe_live_kind kind;
    const uint8_t *data; /* in the memory of struct pe_live_end, until the next record is taken */
    size_t size;         /* bytes of data, at most PE_LIVE_DATA_MAX */
};

struct pe_live_counters {
    uint64_t produced, consumed; /* bytes of the rings, in whole blocks */
    uint64_t taken;              /* bytes of standard input; only the guest counts them */
};

/* How an end reaches the device. Offsets and sizes are multiples of PE_LIVE_BLOCK, and so is the address of
 * `bytes`. Both functions return 0, or -1 with `err`, which the functions below pass on. What was written
 * before is visible to the other end before what is written later. */
struct pe_live_device {
    void *context; /* first argument of the functions */
    int (*read)(void *context, uint64_t offset, void *bytes, size_t size, struct pe_error *err);
    int (*write)(void *context, uint64_t offset, const void *bytes, size_t size, struct pe_error *err);
};

enum pe_live_side { PE_LIVE_SLOT, PE_LIVE_GUEST };

struct pe_live_end {
    struct pe_live_device device;
    enum pe_live_side side;
    struct pe_live_counters mine, theirs;
    bool unpublished;  /* `mine` has changed since pe_live_publish */
    uint8_t *received; /* owned; PE_LIVE_RECORD_MAX bytes each */
    uint8_t *sent;
};

/* Begin to use the device of a job, whose headers are zero. The caller frees the end, also after a failure.
 * PE_ERR_INTERNAL without memory. */
int pe_live_open(struct pe_live_end *end, enum pe_live_side side, const struct pe_live_device *device,
                 struct pe_error *err) PE_MUST_CHECK;

/* Free the memory of the end. Harmless on one that is all zero. */
void pe_live_free(struct pe_live_end *end);

/* Read the other end's header. PE_ERR_MALFORMED if it lies; nothing may be read or written then. */
int pe_live_refresh(struct pe_live_end *end, struct pe_error *err) PE_MUST_CHECK;

/* How many bytes of data a record can have now, from 0 to PE_LIVE_DATA_MAX. */
size_t pe_live_room(const struct pe_live_end *end);

/* Write a record. The other end sees it after pe_live_publish. PE_ERR_TOO_LARGE if there is no room for it
 * (pe_live_room). */
int pe_live_put(struct pe_live_end *end, enum pe_live_kind kind, const void *data, size_t size,
                struct pe_error *err) PE_MUST_CHECK;

/* Copy the next record of the other end. Returns 1, or 0 if there is none. PE_ERR_MALFORMED if it is none
 * that this end may get, or longer than what was produced. */
int pe_live_take(struct pe_live_end *end, struct pe_live_record *record, struct pe_error *err) PE_MUST_CHECK;

/* Let the other end see what was put and taken. The caller rings the doorbell. Fails only as the device
 * does. */
int pe_live_publish(struct pe_live_end *end, struct pe_error *err) PE_MUST_CHECK;

#endif
