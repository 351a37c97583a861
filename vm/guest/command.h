/* SPDX-License-Identifier: Apache-2.0 */
/* The command that the agent runs. There is one at a time. */
#ifndef PE_VM_GUEST_COMMAND_H
#define PE_VM_GUEST_COMMAND_H

#include "base/buffer.h"
#include "base/error.h"
#include "vm/agent_frame.h"

#include <sys/types.h>

struct command {
    pid_t pid;               /* -1: none runs */
    int input;               /* its standard input, nonblocking; -1: closed */
    struct pe_buf pending;   /* input that it has not taken yet */
    int output, errors;      /* what it writes, nonblocking; -1: closed */
    struct pe_buf arguments; /* of the next command, each ended by a NUL */
};

#define COMMAND_NONE ((struct command){.pid = -1, .input = -1, .output = -1, .errors = -1})

/* How a command ended. */
struct command_end {
    enum agent_exit how;
    uint8_t value; /* exit code or signal */
    char why[256]; /* why it could not be started, or "" */
};

/* Add bytes to the arguments. PE_ERR_TOO_LARGE beyond AGENT_ARGUMENTS_MAX. */
int command_add_arguments(struct command *command, const void *bytes, size_t size,
                          struct pe_error *err) PE_MUST_CHECK;

/* Start the command of the arguments, which are then empty. Returns 0, or -1 and fills in `*end`. */
int command_start(struct command *command, struct command_end *end) PE_MUST_CHECK;

/* Give it input. command_flush passes it on. Dropped if its standard input is closed, which without memory
 * is done here. */
void command_write(struct command *command, const void *bytes, size_t size);

/* Pass on as much of the pending input as the command takes now. Returns 1 if there was some and all of it is
 * gone; what a command does not read any more is gone as well. */
int command_flush(struct command *command);

/* Close its standard input. */
void command_end_input(struct command *command);

/* Kill it and all processes of its session. Harmless if none runs. */
void command_kill(const struct command *command);

/* Reap all children that have ended. Returns 1 and fills in `*end` if the command is one of them. */
int command_reap(struct command *command, struct command_end *end);

/* Close its descriptors. */
void command_close(struct command *command);

#endif
