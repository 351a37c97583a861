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
    struct pe_buf unsent;    /* owned; agent_link_flush sends it when poll(2) says POLLOUT */
    bool present;            /* the agent has said HELLO */
    struct console *console; /* borrowed; read while agent_link_run waits, because a guest stands still when
                                nobody reads its console; NULL: somebody else reads it */
};

/* Free what it owns. */
void agent_link_free(struct agent_link *link);

/* Send a message. What the VM does not take now, because it is paused for example, waits in `unsent`.
 * PE_ERR_TOO_LARGE if too much waits there already, PE_ERR_LOST if the VM has closed the line. */
int agent_link_send(struct agent_link *link, enum agent_message type, const void *payload, size_t size,
                    struct pe_error *err) PE_MUST_CHECK;

/* Send a command with its arguments, each ended by a NUL, and let it start. PE_ERR_TOO_LARGE beyond
 * AGENT_ARGUMENTS_MAX; otherwise as agent_link_send. */
int agent_link_execute(struct agent_link *link, const void *arguments, size_t size,
                       struct pe_error *err) PE_MUST_CHECK;

/* Send what waits, as far as the VM takes it now. PE_ERR_LOST if it has closed the line. */
int agent_link_flush(struct agent_link *link, struct pe_error *err) PE_MUST_CHECK;

/* What to wait for with poll(2) to send what is unsent, and to read if `reads` is set. */
short agent_link_events(const struct agent_link *link, bool reads);

/* Read what has arrived into `received`. PE_ERR_LOST if the VM has closed the line, PE_ERR_TOO_LARGE if more
 * than 1 MiB waits there. */
int agent_link_read(struct agent_link *link, struct pe_error *err) PE_MUST_CHECK;

/* Wait for the agent, and run a command to its end. Fails with PE_ERR_TIMEOUT at the deadline, on the clock
 * of pe_now_us, with PE_ERR_LOST if the VM ends, and with PE_ERR_INTERNAL and what the command wrote if it
 * fails. */
int agent_link_run(struct agent_link *link, const char *const *words, uint64_t deadline_us,
                   struct pe_error *err) PE_MUST_CHECK;

#endif
