/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of the agent's line in the guests of pe-vm. However the bytes are divided when they arrive, the same
 * frames are found, and a frame that was found is found again when it is written. */
#include "base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "vm/agent_frame.h"

/* Write the frame after bytes that are none, and read it again. */
static void check_again(const struct agent_frame *frame)
{
    pe_autobuf struct pe_buf line = {0};
    struct agent_frame again;
    struct pe_error err;
    HOLDS(pe_buf_append(&line, "boot: x", 7, &err) == 0);
    HOLDS(agent_frame_put(&line, (enum agent_message)frame->type, frame->payload, frame->size, &err) == 0);
    HOLDS(agent_frame_take(&line, &again) == 1);
    HOLDS(again.type == frame->type && again.size == frame->size);
    HOLDS(memcmp(again.payload, frame->payload, frame->size) == 0);
    HOLDS(agent_frame_take(&line, &again) == 0 && line.size == 0);
}

/* Append all frames of the bytes, which arrive in pieces of this size, to `found`. */
static void find_all(const uint8_t *bytes, size_t size, size_t piece, struct pe_buf *found)
{
    pe_autobuf struct pe_buf received = {0};
    struct agent_frame frame;
    struct pe_error err;
    for (size_t at = 0; at < size; at += piece) {
        HOLDS(pe_buf_append(&received, bytes + at, size - at < piece ? size - at : piece, &err) == 0);
        while (agent_frame_take(&received, &frame)) {
            HOLDS(frame.size <= AGENT_PAYLOAD_MAX);
            check_again(&frame);
            HOLDS(agent_frame_put(found, (enum agent_message)frame.type, frame.payload, frame.size, &err) ==
                  0);
        }
        HOLDS(received.size < AGENT_HEADER_SIZE + AGENT_PAYLOAD_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pe_autobuf struct pe_buf at_once = {0}, in_bytes = {0};
    find_all(bytes, size, size + 1, &at_once);
    find_all(bytes, size, 1, &in_bytes);
    HOLDS(at_once.size == in_bytes.size);
    HOLDS(!at_once.size || memcmp(at_once.data, in_bytes.data, at_once.size) == 0);
    return 0;
}
