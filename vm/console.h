/* SPDX-License-Identifier: Apache-2.0 */
/* The console of a VM: what the guest writes is kept in a file, and shown to those who follow it. */
#ifndef PE_VM_CONSOLE_H
#define PE_VM_CONSOLE_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* When the file has so many bytes, it becomes PATH.old, and a new one begins: both have at least the last so
 * many bytes. */
#define CONSOLE_BYTES_MAX (4 << 20)
#define CONSOLE_OLD ".old"

struct console {
    int port;     /* borrowed: vm->serial_fd; -1: closed */
    bool is_file; /* the port is a file that grows, so poll(2) does not help */
    int file;     /* owned */
    off_t size;
    char path[160];
};

/* Begin to keep the console behind `port` in the file `path`, of at most 159 bytes, which is copied. What an
 * earlier VM left there is removed. PE_ERR_INTERNAL if the file cannot be created; console_close is harmless
 * then. */
int console_open(struct console *console, int port, const char *path, struct pe_error *err) PE_MUST_CHECK;

/* Close the file, which stays. */
void console_close(struct console *console);

/* Read what the guest has written to `bytes`, and keep it; what the disk has no room for is only returned.
 * Returns the number of bytes, 0 if there is nothing now, or -1 if the port was closed. */
ssize_t console_read(struct console *console, char *bytes, size_t size);

#endif
