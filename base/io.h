/* SPDX-License-Identifier: Apache-2.0 */
/* Complete reads and writes, a clock and random bytes. Interrupted calls are repeated, and short
 * reads and writes are continued. */
#ifndef PE_BASE_IO_H
#define PE_BASE_IO_H

#include "base/buffer.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Write all bytes to a blocking descriptor. `name` is the object's name in the error message.
 * PE_ERR_INTERNAL if write(2) fails. */
int pe_write_all(int fd, const void *bytes, size_t size, const char *name,
                 struct pe_error *err) PE_MUST_CHECK;

/* Append everything up to the end of file to `out`; `name` is as above. PE_ERR_TOO_LARGE if that is more
 * than `limit` bytes, PE_ERR_INTERNAL if read(2) fails or without memory. What was read before stays in
 * `out`. */
int pe_read_all(int fd, size_t limit, struct pe_buf *out, const char *name,
                struct pe_error *err) PE_MUST_CHECK;

/* Append the content of a file to `out`. `path` is relative to the directory `at`, which may be
 * AT_FDCWD. PE_ERR_NOT_FOUND if there is no such file, PE_ERR_INTERNAL if it cannot be opened;
 * otherwise as pe_read_all. */
int pe_read_file(int at, const char *path, size_t limit, struct pe_buf *out,
                 struct pe_error *err) PE_MUST_CHECK;

/* CLOCK_MONOTONIC in microseconds, for durations and deadlines. */
uint64_t pe_now_us(void);

/* Fill `bytes` from getrandom(2). Aborts on failure, which no supported kernel has. */
void pe_random(void *bytes, size_t size);

/* Write `size` random bytes as 2 * `size` hex digits and a NUL. */
void pe_random_hex(char *text, size_t size);

#endif
