/* SPDX-License-Identifier: Apache-2.0 */
/* Running a program of the host, such as ip(8), and waiting for its end. */
#ifndef PE_VM_RUN_PROGRAM_H
#define PE_VM_RUN_PROGRAM_H

#include "base/error.h"

/* Run `argv`, which ends with NULL; the program is looked for in PATH. It has no input. If it fails, the
 * error has the first 511 bytes that it printed. PE_ERR_NOT_FOUND if there is no such program, else
 * PE_ERR_INTERNAL. */
int run_program(const char *const *argv, struct pe_error *err) PE_MUST_CHECK;

#endif
