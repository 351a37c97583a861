/* SPDX-License-Identifier: Apache-2.0 */
/* Confining what a VMM can open and reach, with Landlock (landlock(7), since Linux 5.13). */
#ifndef PE_WORKER_VMM_LANDLOCK_H
#define PE_WORKER_VMM_LANDLOCK_H

#include "worker/vmm/fd_list.h"
#include "worker/vmm/jail_files.h"

#include <stdbool.h>
#include <stddef.h>

/* The version of Landlock that the kernel has, 0 if it has none. Each newer one can deny more. */
int landlock_version(void);
#define LANDLOCK_FILES 1   /* from this version on: opening, executing, creating and removing files */
#define LANDLOCK_TCP 4     /* bind(2) and connect(2) of TCP sockets */
#define LANDLOCK_DEVICES 5 /* ioctl(2) on devices */
#define LANDLOCK_SCOPE 6   /* signals to, and abstract UNIX sockets of, processes that are not confined */

/* What a process may still do. */
struct landlock_grants {
    const struct jail_files *files; /* these, as they are meant to be used */
    bool own_root;                  /* the root directory has only these: allow to read all of it */
    const char *folder;             /* everything in it; "" for none */
    int first, last;                /* the files behind these descriptors: read, execute and, if the
                                       descriptor can write, write */
};

/* From now on this process and its children can open, execute, create and remove only what `grants`
 * lists, even if their user may do more. Files that have no name, such as memfds, can be opened through
 * a descriptor in any case. As far as the kernel's version goes, they cannot use TCP, control other
 * devices, or reach processes that are not confined in the same way.
 *
 * no_new_privs must be set before. Uses system calls only, so it may be called between fork and exec.
 * Returns 0, also if the kernel has no Landlock, or -1 with errno if the kernel refuses. */
int landlock_confine(const struct landlock_grants *grants);

/* What a process that starts nothing may still do with files and networks. */
struct landlock_reader {
    const char *const *readable; /* paths whose files it may read, up to a NULL; NULL: none */
    int folder;                  /* an open folder whose files it may read; -1: none */
    const char *own_folder;      /* a folder in which it may do everything but execute; NULL: none */
    bool connects;               /* it may connect to TCP ports, but not listen */
};

/* From now on this process and its children can do only that. Paths that do not exist are ignored. The rest
 * is as for landlock_confine. */
int landlock_confine_reader(const struct landlock_reader *reader);

#endif
