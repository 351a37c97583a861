/* SPDX-License-Identifier: Apache-2.0 */
/* The file `program` of an input (proto/guest-contract.md): what to execute. */
#ifndef PE_GUEST_INIT_PROGRAM_H
#define PE_GUEST_INIT_PROGRAM_H

/* Both lists end with NULL. There is at least one argument. */
struct program {
    const char *directory; /* in which it runs, absolute */
    char **arguments;
    char **environment;
};

/* Read the file. Its memory is never freed, since the process becomes the program. Returns -1 with
 * errno set on failure; EBADMSG if the file does not have the right form. */
int program_read(int fd, struct program *program);

#endif
