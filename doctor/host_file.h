/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what the kernel says in /proc and /sys. `top` is put in front of the path: "" for this host, or a
 * folder that stands for another one. */
#ifndef PE_DOCTOR_HOST_FILE_H
#define PE_DOCTOR_HOST_FILE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Read a file as a text, with a NUL at its end, into an empty buffer. One that does not exist is empty.
 * PE_ERR_INTERNAL if it cannot be read, PE_ERR_TOO_LARGE above 4 MiB. */
int host_file_read(const char *top, const char *path, struct pe_buf *text,
                   struct pe_error *err) PE_MUST_CHECK;

/* Whether there is such a file or folder. */
bool host_file_exists(const char *top, const char *path);

/* The number at the beginning of a file; `otherwise` if there is none, or the file cannot be read. */
uint64_t host_file_number(const char *top, const char *path, uint64_t otherwise);

/* The number behind a key in a file with lines "KEY NUMBER", such as "MemAvailable:"; 0 if there is none, or
 * the file cannot be read. */
uint64_t host_file_value(const char *top, const char *path, const char *key);

#endif
