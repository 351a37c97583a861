/* SPDX-License-Identifier: Apache-2.0 */
/* Supervising a program in a container: its output, its time limit and its end. */
#ifndef PE_GUEST_INIT_SUPERVISE_H
#define PE_GUEST_INIT_SUPERVISE_H

#include "base/error.h"
#include "guest-init/container.h"
#include "guest-init/exit_report.h"
#include "guest-init/job.h"

#include <stdint.h>

/* Run the program of the input at GUEST_JOB in the container, and wait until no process of it is
 * left. `go_us` is the time when the host sent `go`. Fills in `report` except for
 * `outputs_dropped`; stdout and stderr are there also after a failure. PE_ERR_INTERNAL if the
 * program cannot be started or the container does not end. The container cannot be used again, and
 * its owner discards it. When `interrupt_fd` (-1: none) becomes readable, the program is killed as
 * after a timeout. `serial` (-1: none) is the port over which the host can make the run a live one
 * (guest-init/live.h). */
int supervise_program(struct container *container, const struct guest_job *job, uint64_t go_us,
                      int interrupt_fd, int serial, struct exit_report *report,
                      struct pe_error *err) PE_MUST_CHECK;

#endif
