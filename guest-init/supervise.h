/* Running the job's program in a container that waits for it: its pipes, the clock, its end. */
#ifndef PE_GUEST_INIT_SUPERVISE_H
#define PE_GUEST_INIT_SUPERVISE_H

#include "base/error.h"
#include "guest-init/container.h"
#include "guest-init/exit_report.h"
#include "guest-init/job.h"

#include <stdint.h>

/* Run the program of the input at GUEST_JOB and wait until nothing of it is left, or until it has to be given
 * up. `go_us` is when the host said so. Fills in `report` but for the dropped outputs; what the program
 * printed is there in any case. Fails when the program could not be started or the container broke. The
 * container is used up; its owner discards it. When `interrupt_fd` (-1: none) becomes readable, the program
 * is killed as if its time were over. */
int supervise_program(struct container *container, const struct guest_job *job, uint64_t go_us,
                      int interrupt_fd, struct exit_report *report, struct pe_error *err) PE_MUST_CHECK;

#endif
