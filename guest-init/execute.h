/* SPDX-License-Identifier: Apache-2.0 */
/* Becoming a program of a job. */
#ifndef PE_GUEST_INIT_EXECUTE_H
#define PE_GUEST_INIT_EXECUTE_H

/* Execute a program as execvp(3) does. On failure, write the reason to standard error and exit as a
 * shell does: with 127 if the program does not exist, and else with 126. */
void execute(char *const *arguments) __attribute__((noreturn));

#endif
