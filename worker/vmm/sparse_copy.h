/* SPDX-License-Identifier: Apache-2.0 */
/* Copying large files that are mostly holes. */
#ifndef PE_WORKER_VMM_SPARSE_COPY_H
#define PE_WORKER_VMM_SPARSE_COPY_H

#include "base/error.h"

#include <sys/types.h>

/* Copy the content of one regular file to another, empty one, and make that as long. What is a hole in one is
 * a hole in the other. `what` names the file in messages. Fails with PE_ERR_INTERNAL, for example if the disk
 * is full. */
int sparse_copy(int from, int to, const char *what, struct pe_error *err) PE_MUST_CHECK;

/* The same for the first `size` bytes, into an empty file that is as long already. No byte behind them is
 * copied, also if `from` grows meanwhile. */
int sparse_copy_bytes(int from, int to, off_t size, const char *what, struct pe_error *err) PE_MUST_CHECK;

#endif
