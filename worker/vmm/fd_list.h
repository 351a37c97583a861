/* SPDX-License-Identifier: Apache-2.0 */
/* The file descriptors that a VMM inherits. A VMM gets its files by descriptor, so no path has to
 * be readable by the user that it runs as. */
#ifndef PE_WORKER_VMM_FD_LIST_H
#define PE_WORKER_VMM_FD_LIST_H

#include <stddef.h>

/* The most descriptors that a VMM inherits, and the number of the first one in the VMM. */
#define VMM_FD_MAX 20
#define VMM_FD_FIRST 10

/* Zero-initialised it is empty. */
struct fd_list {
    int fds[VMM_FD_MAX]; /* borrowed */
    size_t count;
};

/* Add `fd`, which stays the caller's and must be open until the VMM has been started. Returns the
 * number that the descriptor has in the VMM. Aborts past VMM_FD_MAX, which is a programming error.
 */
int fd_list_add(struct fd_list *list, int fd);

#endif
