/* Whole reads and writes, and clocks. Interrupted calls are retried; short ones are continued. */
#ifndef PE_BASE_IO_H
#define PE_BASE_IO_H

#include "base/buffer.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Write all bytes to a blocking fd; `name` is for the error message. */
int pe_write_all(int fd, const void *bytes, size_t size, const char *name,
                 struct pe_error *err) PE_MUST_CHECK;

/* Append everything up to end of file; at most `limit` bytes, else PE_ERR_TOO_LARGE. */
int pe_read_all(int fd, size_t limit, struct pe_buf *out, const char *name,
                struct pe_error *err) PE_MUST_CHECK;

/* The content of a file, relative to directory fd `at` (or AT_FDCWD). A missing file is PE_ERR_NOT_FOUND. */
int pe_read_file(int at, const char *path, size_t limit, struct pe_buf *out,
                 struct pe_error *err) PE_MUST_CHECK;

/* Time since boot, for durations and deadlines. */
uint64_t pe_now_us(void);

/* Fill with random bytes from getrandom(2); cannot fail on any kernel this runs on, aborts otherwise. */
void pe_random(void *bytes, size_t size);

/* `size` random bytes as 2*size hex digits and a NUL, for ids. */
void pe_random_hex(char *text, size_t size);

#endif
