/* SPDX-License-Identifier: Apache-2.0 */
/* The typed form of the text messages of the slot protocol (proto/slot-protocol.md), which workers
 * and the balancer speak over WebSockets. */
#ifndef PE_PROTO_SLOT_H
#define PE_PROTO_SLOT_H

#include "base/buffer.h"
#include "base/error.h"
#include "codec/trace_context.h"
#include "proto/image.h"
#include "proto/isolation.h"
#include "proto/job_spec.h"
#include "proto/path.h"
#include "proto/problem.h"
#include "proto/result.h"
#include "proto/slot_live.h"
#include "proto/slot_parts.h"

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

/* The value of the member `shared` of `ready` and `welcome`: the version of the messages of slots that are
 * offered to several balancers at the same time. A side that does not know them leaves the member out. */
#define PE_SHARED_VERSION 1u

#define PE_ID_MAX 64

enum pe_message_kind {
    PE_MESSAGE_HELLO,  /* worker, registration: what it is and which images it has */
    PE_MESSAGE_READY,  /* worker, slot: asks for a job */
    PE_MESSAGE_JOB,    /* balancer: a job. The bytes of its files follow in the order of `parts`. */
    PE_MESSAGE_RESULT, /* worker: a result. The bytes of `parts` follow. */
    PE_MESSAGE_END,    /* both: all bytes have been sent */
    PE_MESSAGE_CANCEL, /* balancer: the result is not wanted. The worker answers with `error` or completes
                          the result. */
    PE_MESSAGE_ERROR,  /* worker: why there is no result. The slot is free again. */

    /* Of live jobs, between the balancer's END and the RESULT. Only a slot whose READY says `live` gets them.
     */
    PE_MESSAGE_WATCH,  /* balancer: send the output as it comes, from the beginning */
    PE_MESSAGE_INPUT,  /* balancer: bytes for standard input. One binary message of `size` bytes follows. */
    PE_MESSAGE_EOF,    /* balancer: no more input follows */
    PE_MESSAGE_RESIZE, /* balancer: the terminal's window has another size */
    PE_MESSAGE_SIGNAL, /* balancer: a signal for the program */
    PE_MESSAGE_OUTPUT, /* worker: output. One binary message with the bytes of `parts` follows. */
    PE_MESSAGE_TAKEN,  /* worker: the program's side has taken `bytes` more bytes of the input */

    /* Of slots that are offered to several balancers. A worker sends the last two only after a WELCOME. */
    PE_MESSAGE_WELCOME,  /* balancer, after the first READY that says `shared`: it understands them as well */
    PE_MESSAGE_WITHDRAW, /* worker: another balancer has the slot now. The last READY holds no longer. */
    PE_MESSAGE_RETURN,   /* worker: the job arrived behind a WITHDRAW, and was not begun */
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
    uint32_t live;               /* version of the live messages that it understands; 0: none */
    bool trusted;                /* not in the message: the operator trusts the host; set by the balancer */
    char owner[17];              /* likewise: whose token it has */
    json_t *images;              /* array of catalog entries, which pe_image_from_json accepted; owned */
};

struct pe_message {
    enum pe_message_kind kind;
    uint32_t protocol;                /* HELLO, READY, decoded: the worker's version; else PE_SLOT_PROTOCOL */
    char id[PE_ID_MAX + 1];           /* of all but hello, ready, welcome and withdraw; [A-Za-z0-9_-]+ */
    struct pe_hello hello;            /* HELLO */
    char host[256];                   /* READY: the worker that the slot belongs to */
    char warm[PE_IMAGE_NAME_MAX + 1]; /* READY: image of the VM that is ready, or empty */
    uint32_t live;                    /* READY: as in struct pe_hello */
    uint32_t shared;                  /* READY, WELCOME: PE_SHARED_VERSION; 0: not understood */
    struct pe_job_spec job;           /* JOB */
    struct pe_cursor job_text;        /* JOB, encoding: JSON to send instead of `job`, or empty; borrowed */
    uint64_t queue_us;                /* JOB: how long it waited for a slot */
    struct pe_trace trace;            /* JOB: the trace that it belongs to, if any */
    struct pe_live_input input;       /* JOB: whether its standard input stays open */
    struct pe_parts parts;            /* JOB, RESULT, OUTPUT */
    struct pe_result result;          /* RESULT */
    struct pe_problem problem;        /* ERROR */
    struct pe_window window;          /* RESIZE */
    int signal;                       /* SIGNAL: one that pe_live_signal_is_allowed */
    uint32_t bytes;                   /* INPUT: `size`; TAKEN: `bytes`; 1..PE_LIVE_WINDOW */
};

/* Decode one text message. PE_ERR_MALFORMED if it is no message, or if a size, count or name is
 * beyond proto/limits.h; PE_ERR_TOO_LARGE if the JSON of a `hello` or a problem has too many values;
 * PE_ERR_INTERNAL without memory. A job that is not allowed is PE_ERR_INVALID, and so is a `hello` or
 * `ready` of another version than PE_SLOT_PROTOCOL: the error then names both versions, and
 * `message->protocol` is the worker's. `message` need not be initialised, and only the members of its kind
 * are set. The caller frees it, also after a failure. */
int pe_message_decode(const void *text, size_t size, struct pe_message *message,
                      struct pe_error *err) PE_MUST_CHECK;

/* Append the JSON text of a message to `out`. Fails as pe_buf_append does. */
int pe_message_encode(const struct pe_message *message, struct pe_buf *out,
                      struct pe_error *err) PE_MUST_CHECK;

/* How long so many bytes take, in microseconds, over the slowest link that is waited for
 * (PE_SLOT_BYTES_PER_S). */
uint64_t pe_slot_transfer_us(uint64_t bytes);

/* Free the members. The struct can be decoded into again. */
void pe_message_free(struct pe_message *message);
#define pe_automessage __attribute__((cleanup(pe_message_free)))

#endif
