/* SPDX-License-Identifier: Apache-2.0 */
/* The typed form of the text messages of the slot protocol (proto/slot-protocol.md), which workers
 * and the balancer speak over WebSockets. */
#ifndef PE_PROTO_SLOT_H
#define PE_PROTO_SLOT_H

#include "base/buffer.h"
#include "base/error.h"
#include "proto/image.h"
#include "proto/isolation.h"
#include "proto/job_spec.h"
#include "proto/path.h"
#include "proto/problem.h"
#include "proto/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PE_SLOT_PATH "/v1/slot"       /* path of the connections of slots */
#define PE_CONTROL_PATH "/v1/control" /* path of a worker's registration */
#define PE_SLOT_SUBPROTOCOL "pe.slot.v1"

/* The version of the messages and their meaning. `hello` and `ready` carry it, and the balancer
 * refuses every other version by closing the connection with the code PE_SLOT_CLOSE_VERSION (of the
 * range that RFC 6455 section 7.4.2 leaves to applications). A worker that sends no version has
 * version 1. */
#define PE_SLOT_PROTOCOL 3u
#define PE_SLOT_CLOSE_VERSION 4001u

/* The problem type of an `error` that reports the loss of the job's VM. The balancer tries the job
 * again, on this worker or on another one. */
#define PE_SLOT_VM_LOST "vm-lost"

#define PE_ID_MAX 64

/* Values in the JSON of a `hello`, which becomes a tree of up to some hundred bytes for each. The
 * entry of an image has 30 to 150. */
#define PE_HELLO_VALUES_MAX 131072u

enum pe_message_kind {
    PE_MESSAGE_HELLO,  /* worker, registration: what it is and which images it has */
    PE_MESSAGE_READY,  /* worker, slot: asks for a job */
    PE_MESSAGE_JOB,    /* balancer: a job. The bytes of its files follow in the order of `parts`. */
    PE_MESSAGE_RESULT, /* worker: a result. The bytes of `parts` follow. */
    PE_MESSAGE_END,    /* both: all bytes have been sent */
    PE_MESSAGE_CANCEL, /* balancer: the result is not wanted. The worker answers with `error` or completes
                          the result. */
    PE_MESSAGE_ERROR,  /* worker: why there is no result. The slot is free again. */
};

enum pe_part_kind {
    PE_PART_FILE,
    PE_PART_STDOUT,
    PE_PART_STDERR,
    PE_PART_COMBINED,
    PE_PART_FOLDER, /* a folder of /output; it has no bytes */
};

/* One file or stream among the bytes that follow a message. */
struct pe_part {
    enum pe_part_kind kind;
    struct pe_path path; /* only of files and folders */
    uint64_t size;       /* bytes */
    uint32_t mode;       /* permission bits; only of files and folders in a result */
    uint32_t mtime;      /* seconds since 1970, likewise; 0: not known, as from an older worker */
};

struct pe_parts {
    struct pe_part *items; /* owned */
    size_t count;
};

struct pe_hello {
    char host[256];              /* name, unique among the workers of a balancer */
    char arch[32];               /* uname -m */
    char cpu[128];               /* model name */
    char vmm[1024];              /* the chosen engine, and why none of the better ones was chosen */
    enum pe_isolation isolation; /* of all its jobs; not PE_ISOLATION_UNKNOWN */
    uint32_t slots;              /* slot connections that the worker keeps open */
    uint32_t vms;                /* jobs that it runs at a time; 0: as many as slots */
    bool draining;               /* it takes no more jobs, because it is about to stop */
    json_t *images;              /* array of catalog entries, which pe_image_from_json accepted; owned */
};

struct pe_message {
    enum pe_message_kind kind;
    uint32_t protocol;                /* HELLO, READY, decoded: the worker's version; else PE_SLOT_PROTOCOL */
    char id[PE_ID_MAX + 1];           /* of job, result, end, cancel, error; [A-Za-z0-9_-]+ */
    struct pe_hello hello;            /* HELLO */
    char host[256];                   /* READY: the worker that the slot belongs to */
    char warm[PE_IMAGE_NAME_MAX + 1]; /* READY: image of the VM that is ready, or empty */
    struct pe_job_spec job;           /* JOB */
    struct pe_cursor job_text;        /* JOB, encoding: JSON to send instead of `job`, or empty; borrowed */
    uint64_t queue_us;                /* JOB: how long it waited for a slot */
    struct pe_parts parts;            /* JOB, RESULT */
    struct pe_result result;          /* RESULT */
    struct pe_problem problem;        /* ERROR */
};

/* Decode one text message. PE_ERR_MALFORMED if it is no message, or if a size, count or name is
 * beyond proto/limits.h. A `hello` or `ready` of another version than PE_SLOT_PROTOCOL is
 * PE_ERR_INVALID; the error names both versions and `message->protocol` is the worker's. `message`
 * need not be initialised, and only the members of its kind are set. The caller frees it, also
 * after a failure. */
int pe_message_decode(const void *text, size_t size, struct pe_message *message,
                      struct pe_error *err) PE_MUST_CHECK;

/* Append the JSON text of a message to `out`. PE_ERR_INTERNAL without memory. */
int pe_message_encode(const struct pe_message *message, struct pe_buf *out,
                      struct pe_error *err) PE_MUST_CHECK;

/* Free the members. The struct can be decoded into again. */
void pe_message_free(struct pe_message *message);
#define pe_automessage __attribute__((cleanup(pe_message_free)))

/* Append a part, whose `mtime` is 0. `path` is NULL for streams. PE_ERR_INTERNAL without memory. */
int pe_parts_add(struct pe_parts *parts, enum pe_part_kind kind, const struct pe_path *path, uint64_t size,
                 uint32_t mode, struct pe_error *err) PE_MUST_CHECK;

/* The bytes of all parts together. */
uint64_t pe_parts_size(const struct pe_parts *parts);

/* Free the list. It is empty then. */
void pe_parts_free(struct pe_parts *parts);

#endif
