/* SPDX-License-Identifier: Apache-2.0 */
/* A command line under construction. */
#ifndef PE_WORKER_VMM_ARGV_BUILDER_H
#define PE_WORKER_VMM_ARGV_BUILDER_H

#include <stddef.h>

/* Zero-initialised it is empty. The arguments are in `text`, and `argv` ends with NULL. */
struct argv_builder {
    char text[16384];
    size_t used;
    char *argv[192];
    size_t count;
    int overflow; /* not 0: there was no room for an argument */
};

/* Add an argument. Sets `overflow` if there is no room. */
void argv_add(struct argv_builder *args, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
