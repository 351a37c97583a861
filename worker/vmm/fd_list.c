/* SPDX-License-Identifier: Apache-2.0 */
/* Numbering of inherited descriptors. worker/vmm/process.c gives them these numbers. */
#include "worker/vmm/fd_list.h"

#include <stdlib.h>

int fd_list_add(struct fd_list *list, int fd)
{
    if (list->count == VMM_FD_MAX)
        abort();
    list->fds[list->count] = fd;
    return VMM_FD_FIRST + (int)list->count++;
}
