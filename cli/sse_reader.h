/* SPDX-License-Identifier: Apache-2.0 */
/* Server-Sent Events (WHATWG HTML section 9.2.6), as far as messages of agents need them: only the data of an
 * event counts. */
#ifndef PE_CLI_SSE_READER_H
#define PE_CLI_SSE_READER_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Zero-initialised, a reader is at the beginning of a stream. */
struct sse_reader {
    struct pe_buf line, data; /* of the line and of the event that are not complete; owned */
    bool after_cr;            /* the last byte was a carriage return, which ends a line with or without \n */
    bool has_data;            /* the event has a line of data, perhaps an empty one */
    /* Called with the data of each event that has some. A negative result ends the reading. */
    int (*on_event)(void *context, const struct pe_buf *data, struct pe_error *err);
    void *context;
};

/* Read the next bytes of a stream, cut anywhere. Errors of `on_event`; PE_ERR_TOO_LARGE if `line` or `data`
 * has a limit, and reaches it. */
int sse_reader_feed(struct sse_reader *reader, const void *bytes, size_t size,
                    struct pe_error *err) PE_MUST_CHECK;

/* Free what the reader owns. */
void sse_reader_free(struct sse_reader *reader);

#endif
