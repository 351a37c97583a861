/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a reply of Redis (RESP2). The bytes are those of a server that may be hostile. */
#ifndef PE_LB_CORE_STORE_REDIS_REPLY_H
#define PE_LB_CORE_STORE_REDIS_REPLY_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    STORE_SHARED_VALUE_MAX = 1000 * 1000,             /* bytes of a result that is shared */
    REDIS_LINE_MAX = 512,                             /* bytes of a line, without its end */
    REDIS_REPLY_MAX = STORE_SHARED_VALUE_MAX + 2 * 32 /* and of a whole reply */
};

enum redis_reply_kind {
    REDIS_OK,      /* a simple string, or a number that is not negative */
    REDIS_ERROR,   /* `bytes` is the message */
    REDIS_NOTHING, /* a null: there is no such key */
    REDIS_VALUE,   /* a bulk string */
};

struct redis_reply {
    enum redis_reply_kind kind;
    const uint8_t *bytes; /* into the text that was parsed */
    size_t size;
    size_t length; /* of the whole reply */
};

/* Parse the reply at the beginning of `text`, which must outlive it. Returns 1 if it is complete, and 0 if
 * more bytes are needed.
 * PE_ERR_MALFORMED if it is none that GET, SET, DEL and AUTH have, or is too long. */
int redis_reply_parse(const uint8_t *text, size_t size, struct redis_reply *reply,
                      struct pe_error *err) PE_MUST_CHECK;

#endif
