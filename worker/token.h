/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's bearer token. It is in a sealed memfd, and a process reads it from there when it needs it and
 * has the descriptor. So it is not in the memory of the processes that read what guests and slots send. */
#ifndef PE_WORKER_TOKEN_H
#define PE_WORKER_TOKEN_H

#include "base/error.h"

#define TOKEN_SIZE 4097u /* with the NUL */

/* Copy the first line of a file to a memfd, and return its descriptor, which the caller owns. A token is sent
 * in an HTTP header: PE_ERR_INVALID if it has other characters than printable ASCII, is too long, or is in a
 * file that others may read or change (base/private_file.h; a pipe may be used); PE_ERR_NOT_FOUND if there is
 * no such file, PE_ERR_INTERNAL if it cannot be read. */
int token_keep(const char *file, struct pe_error *err) PE_MUST_CHECK;

/* Read the token behind the descriptor; "" if that is -1. PE_ERR_INTERNAL if it cannot be read. */
int token_load(int fd, char token[TOKEN_SIZE], struct pe_error *err) PE_MUST_CHECK;

#endif
