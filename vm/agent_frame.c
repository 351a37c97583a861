/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and writing frames of the agent's line. Both ends use it. */
#include "vm/agent_frame.h"

#include <string.h>

/* Whether a header can stand here; bytes that have not arrived yet may be right. */
static int may_begin(const uint8_t *at, size_t left)
{
    if (at[0] != 'P' || (left > 1 && at[1] != 'E'))
        return 0;
    return left < AGENT_HEADER_SIZE || ((size_t)at[4] << 8 | at[3]) <= AGENT_PAYLOAD_MAX;
}

int agent_frame_take(struct pe_buf *received, struct agent_frame *frame)
{
    size_t at = 0;
    while (at < received->size && !may_begin(received->data + at, received->size - at))
        at++;
    pe_buf_consume(received, at);
    if (received->size < AGENT_HEADER_SIZE)
        return 0;
    const uint8_t *header = received->data;
    const size_t size = (size_t)header[4] << 8 | header[3];
    if (received->size < AGENT_HEADER_SIZE + size)
        return 0;
    frame->type = header[2];
    frame->size = (uint16_t)size;
    memcpy(frame->payload, header + AGENT_HEADER_SIZE, size);
    pe_buf_consume(received, AGENT_HEADER_SIZE + size);
    return 1;
}

int agent_frame_put(struct pe_buf *out, enum agent_message type, const void *payload, size_t size,
                    struct pe_error *err)
{
    const uint8_t header[AGENT_HEADER_SIZE] = {'P', 'E', (uint8_t)type, (uint8_t)(size & 0xff),
                                               (uint8_t)(size >> 8)};
    if (size > AGENT_PAYLOAD_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "a message for the agent has %zu bytes, more than %u", size,
                       AGENT_PAYLOAD_MAX);
    if (pe_buf_append(out, header, sizeof header, err) < 0)
        return -1;
    return pe_buf_append(out, payload, size, err);
}
