/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of libsquashfs. */
#ifndef PE_IMAGE_SQUASHFS_ERROR_H
#define PE_IMAGE_SQUASHFS_ERROR_H

#include "base/error.h"

/* Set `err` for a failed libsquashfs call and return -1. `code` is the SQFS_ERROR_… value that the
 * call returned, `path` the squashfs file, and `what` completes "cannot …", as in "write an inode".
 * The kind is PE_ERR_MALFORMED when the file itself is broken, and PE_ERR_INTERNAL otherwise. */
int squashfs_fail(const char *path, int code, const char *what, struct pe_error *err);

/* Set `err` to PE_ERR_MALFORMED for an image that libsquashfs would read, but that no right program
 * writes, and return -1. `why` completes "it …", as in "has no root directory". */
int squashfs_reject(const char *path, const char *why, struct pe_error *err);

#endif
