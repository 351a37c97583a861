/* SPDX-License-Identifier: Apache-2.0 */
/* The file `program` of an input (proto/guest-contract.md): what to execute. */
#ifndef PE_GUEST_INIT_PROGRAM_H
#define PE_GUEST_INIT_PROGRAM_H

#include <stddef.h>

/* Both lists end with NULL. There is at least one argument. */
struct program {
    const char *directory; /* in which it runs, absolute */
    char **arguments;
    char **environment;
    const char *text; /* what the strings are in */
    size_t size;      /* bytes of it */
    char **allocated; /* memory of the lists, if it is that of malloc(3); otherwise NULL */
};

/* Touch the memory that a small file needs, in the process that will read it. */
void program_prepare(void);

/* Read the file. One process reads one file. Its memory is never freed, since the process becomes the
 * program. Returns -1 with errno set on failure; EBADMSG if the file does not have the right form. */
int program_read(int fd, struct program *program);

#endif
