/* SPDX-License-Identifier: Apache-2.0 */
/* The messages between pe-vm and its agent in a guest (vm/guest/agent.c), over a serial line. A message is a
 * frame: the bytes 'P' and 'E', its type, the length of its payload in two bytes with the low one first, and
 * the payload. Bytes that are no frame are skipped, because firmware and boot loaders may write to
 * the line as well.
 *
 * The host asks, and the agent runs one command at a time:
 *
 *   PING               the agent answers HELLO, which it also sends when it starts, then with a byte as
 * payload ARGUMENTS bytes    a piece of the command's arguments, each ended by a NUL EXECUTE            run
 * the command: OUTPUT and ERRORS with what it writes, and EXIT at its end INPUT bytes        for its standard
 * input; the agent answers ACCEPTED when it has been passed on, and the host sends no other before that
 *   INPUT_END          its standard input ends
 *   KILL               kill the command with its session; EXIT follows
 *   ONLINE             use CPUs and memory that were added
 *   POWER_OFF          end the VM
 *
 * EXIT has a byte that says how it ended (enum agent_exit), one with the exit code or the number of the
 * signal, and a text if the command could not be started. */
#ifndef PE_VM_AGENT_FRAME_H
#define PE_VM_AGENT_FRAME_H

#include "base/buffer.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum agent_message {
    AGENT_PING = 1,
    AGENT_ARGUMENTS,
    AGENT_EXECUTE,
    AGENT_INPUT,
    AGENT_INPUT_END,
    AGENT_KILL,
    AGENT_ONLINE,
    AGENT_POWER_OFF,
    AGENT_HELLO = 16,
    AGENT_OUTPUT,
    AGENT_ERRORS,
    AGENT_EXIT,
    AGENT_ACCEPTED,
};

enum agent_exit {
    AGENT_EXITED,      /* with an exit code */
    AGENT_SIGNALED,    /* killed by a signal */
    AGENT_NOT_STARTED, /* the text says why */
};

#define AGENT_PAYLOAD_MAX 1024u     /* bytes; small, so that buffers of serial lines never overflow */
#define AGENT_HEADER_SIZE 5u        /* bytes */
#define AGENT_ARGUMENTS_MAX 131072u /* bytes of all arguments of a command */

struct agent_frame {
    uint8_t type; /* an enum agent_message, or something else if the peer is broken */
    uint16_t size;
    uint8_t payload[AGENT_PAYLOAD_MAX];
};

/* Take the first complete frame out of `received`, with what stands in front of it. Returns 1 and writes the
 * frame to `*frame`, or 0 if there is none yet. */
int agent_frame_take(struct pe_buf *received, struct agent_frame *frame);

/* Append a frame to `out`; `size` is at most AGENT_PAYLOAD_MAX. Fails as pe_buf_append does. */
int agent_frame_put(struct pe_buf *out, enum agent_message type, const void *payload, size_t size,
                    struct pe_error *err) PE_MUST_CHECK;

#endif
