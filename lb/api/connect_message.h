/* SPDX-License-Identifier: Apache-2.0 */
/* The text messages that a client sends on GET /v1/connect (docs/api.md#interactive-jobs). */
#ifndef PE_LB_API_CONNECT_MESSAGE_H
#define PE_LB_API_CONNECT_MESSAGE_H

#include "base/buffer.h"
#include "base/error.h"
#include "proto/slot_live.h"

#include <stddef.h>
#include <stdint.h>

enum connect_kind { CONNECT_RUN, CONNECT_STDIN, CONNECT_EOF, CONNECT_RESIZE, CONNECT_SIGNAL };

struct connect_message {
    enum connect_kind kind;
    struct pe_cursor job;       /* RUN: its JSON, part of the message */
    struct pe_live_input input; /* RUN: always open */
    uint8_t *bytes;             /* STDIN; owned */
    size_t size;                /* STDIN: of `bytes` */
    struct pe_window window;    /* RESIZE */
    int signal;                 /* SIGNAL: one that a program may be sent */
};

/* Decode one message. PE_ERR_MALFORMED if it is not JSON, and PE_ERR_INVALID if it has an unknown type or
 * member, or a value of the wrong form; PE_ERR_INTERNAL without memory. `message` need not be initialised;
 * the caller frees it, also after a failure. */
int connect_message_read(const void *text, size_t size, struct connect_message *message,
                         struct pe_error *err) PE_MUST_CHECK;

/* Free the bytes. */
void connect_message_free(struct connect_message *message);
#define connect_automessage __attribute__((cleanup(connect_message_free)))

#endif
