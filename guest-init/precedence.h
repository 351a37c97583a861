/* SPDX-License-Identifier: Apache-2.0 */
/* Letting the processes that watch a program run before the program (sched(7), SCHED_FIFO).
 *
 * A guest has one CPU. If a process that waits for a pipe has precedence over the one that writes to it, it
 * reads each write before the writer returns from write(2). So streams are read in the order in which
 * they are written, however they were opened, and a limit of time is noticed at once, even among hundreds of
 * processes. It costs two context switches for each write. */
#ifndef PE_GUEST_INIT_PRECEDENCE_H
#define PE_GUEST_INIT_PRECEDENCE_H

#include "base/error.h"

#include <sys/types.h>

/* Once, before any precedence is given: let a process with precedence use all of the CPU. The kernel would
 * keep a part of each second for the others (Documentation/scheduler/sched-rt-group.rst). PE_ERR_INTERNAL if
 * the kernel refuses it. */
int precedence_prepare(struct pe_error *err) PE_MUST_CHECK;

/* Give a process precedence over all others; 0: the caller. Processes that it forks do not inherit it.
 * A failure is only said by errno, as everything works without, but not in all cases in order. */
void precedence_take(pid_t pid);

/* Take it away from the caller. */
void precedence_return(void);

#endif
