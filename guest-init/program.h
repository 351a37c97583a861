/* The `program` file of an input (proto/guest-contract.md): what to execute. */
#ifndef PE_GUEST_PROGRAM_H
#define PE_GUEST_PROGRAM_H

/* Both NULL-terminated; at least one argument. */
struct program {
    char **arguments;
    char **environment;
};

/* Read the whole file from `fd`. What it allocates stays until the process becomes the program. Returns -1
 * with errno set; EBADMSG for a file that is not of this form. */
int program_read(int fd, struct program *program);

#endif
