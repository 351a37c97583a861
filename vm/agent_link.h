/* SPDX-License-Identifier: Apache-2.0 */
/* The host's end of the agent's line (vm/agent_frame.h). */
#ifndef PE_VM_AGENT_LINK_H
#define PE_VM_AGENT_LINK_H

#include "base/buffer.h"
#include "base/error.h"
#include "vm/agent_frame.h"
#include "vm/console.h"

#include <stdbool.h>
#include <stdint.h>

struct agent_link {
    int fd;                  /* borrowed, nonblocking; -1: closed */
    struct pe_buf received;  /* owned */
    bool present;            /* the agent has said HELLO */
    struct console *console; /* borrowed; read while agent_link_run waits, because a guest stands still when
                                nobody reads its console; NULL: somebody else reads it */
};

/* Free what it owns. */
void agent_link_free(struct agent_link *link);

/* Send a message, and wait until it has been taken, for at most 30 s. PE_ERR_TIMEOUT, PE_ERR_LOST. */
int agent_link_send(struct agent_link *link, enum agent_message type, const void *payload, size_t size,
                    struct pe_error *err) PE_MUST_CHECK;

/* Send a command with its arguments, each ended by a NUL, and let it start. Fails as agent_link_send does. */
int agent_link_execute(struct agent_link *link, const void *arguments, size_t size,
                       struct pe_error *err) PE_MUST_CHECK;

/* Read what has arrived. PE_ERR_LOST if the VM has closed the line. */
int agent_link_read(struct agent_link *link, struct pe_error *err) PE_MUST_CHECK;

/* Wait for the agent, and run a command to its end. Fails with PE_ERR_TIMEOUT at the deadline, on the clock
 * of pe_now_us, with PE_ERR_LOST if the VM ends, and with PE_ERR_INTERNAL and what the command wrote if it
 * fails. */
int agent_link_run(struct agent_link *link, const char *const *words, uint64_t deadline_us,
                   struct pe_error *err) PE_MUST_CHECK;

#endif
