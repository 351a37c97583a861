/* SPDX-License-Identifier: Apache-2.0 */
/* Stages of a job (proto/stages.h): the process that would become the program runs several programs
 * instead. */
#ifndef PE_GUEST_INIT_STAGES_H
#define PE_GUEST_INIT_STAGES_H

#include <stdbool.h>

/* True if the arguments of a program request stages. */
bool stages_are_requested(char *const *arguments);

/* Run the stages with the environment of this process, and write the report to standard output.
 * Returns the exit code for this process: 0 if the report is complete, also if stages have failed.
 */
int stages_run(char *const *arguments);

#endif
