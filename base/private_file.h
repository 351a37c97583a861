/* SPDX-License-Identifier: Apache-2.0 */
/* Small files with secrets, or with hashes of secrets: they are read only if no stranger can read or
 * change them, and replaced in one step. What the system refuses is PE_ERR_INTERNAL, with the path and the
 * cause. */
#ifndef PE_BASE_PRIVATE_FILE_H
#define PE_BASE_PRIVATE_FILE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stddef.h>

/* Append the content of a file to `out`. PE_ERR_NOT_FOUND if there is none; PE_ERR_INVALID, with the
 * command that repairs it, if others than its owner and its group may read it, if others than its owner
 * may write it, if it belongs neither to this user nor to root, or if it is not a regular file;
 * PE_ERR_TOO_LARGE above `limit` bytes. */
int pe_private_file_read(const char *path, size_t limit, struct pe_buf *out,
                         struct pe_error *err) PE_MUST_CHECK;

/* Check a file that is open already, whose name is `path`: PE_ERR_INVALID as for pe_private_file_read. */
int pe_private_file_check(int fd, const char *path, struct pe_error *err) PE_MUST_CHECK;

/* The same for a file that something else will read, such as a library. PE_ERR_NOT_FOUND if there is none. */
int pe_private_file_check_path(const char *path, struct pe_error *err) PE_MUST_CHECK;

/* Lock a file against other programs that use this function, by a lock of its folder: from reading it
 * until it is replaced. Returns a descriptor that the caller closes to unlock it. Waits for the lock.
 * PE_ERR_INVALID if the path is too long. */
int pe_private_file_lock(const char *path, struct pe_error *err) PE_MUST_CHECK;

/* Replace a file in one step: who reads it sees either the old content or the new one, also after a crash
 * of the machine. The mode and the owner of an old file are kept; a new one has the mode 0600. After a
 * failure the old content is there, and no other file; but the new one if only its folder could not be
 * synced. PE_ERR_INVALID if the path is too long. */
int pe_private_file_replace(const char *path, const void *bytes, size_t size,
                            struct pe_error *err) PE_MUST_CHECK;

#endif
