/* SPDX-License-Identifier: Apache-2.0 */
/* The files of the host that a VMM needs by path: its program, the libraries of that program, its
 * firmware and its devices. They are all that it can see of the host. */
#ifndef PE_WORKER_VMM_JAIL_FILES_H
#define PE_WORKER_VMM_JAIL_FILES_H

#include "base/error.h"

#include <stddef.h>

enum jail_file_use {
    JAIL_FILE_READ,   /* read and execute; a folder with everything below it */
    JAIL_FILE_DEVICE, /* a device node: read, write and ioctl(2) */
};

struct jail_file {
    char *path; /* absolute, owned */
    enum jail_file_use use;
};

/* Zero-initialised it is empty. */
struct jail_files {
    struct jail_file *items; /* owned */
    size_t count;
};

/* Add a copy of a path, unless it is there already or does not exist on the host. PE_ERR_INTERNAL without
 * memory. */
int jail_files_add(struct jail_files *files, enum jail_file_use use, const char *path,
                   struct pe_error *err) PE_MUST_CHECK;

/* Add a program, its dynamic loader, and the libraries that the loader finds for it (ld.so(8),
 * option --list). A static program has none. Neither has a script: the operator has to name what its
 * interpreter needs. Fails with PE_ERR_NOT_FOUND if there is no such program, and with
 * PE_ERR_INTERNAL if its loader fails. */
int jail_files_add_program(struct jail_files *files, const char *program, struct pe_error *err) PE_MUST_CHECK;

/* Free the list. It is empty then. */
void jail_files_free(struct jail_files *files);

#endif
