/* SPDX-License-Identifier: Apache-2.0 */
/* Confining what a VMM can write to, with Landlock (landlock(7), since Linux 5.13). */
#ifndef PE_WORKER_VMM_LANDLOCK_H
#define PE_WORKER_VMM_LANDLOCK_H

/* From now on this process and its children can create, change, remove and open for writing only
 * what is in `folder` ("" for no folder), /dev/kvm and /dev/null, even if their user may do more.
 * Files that have no name, such as memfds, stay writable through a descriptor. no_new_privs must be
 * set before. Uses system calls only, so it may be called between fork and exec. Returns 0, also if
 * the kernel has no Landlock, or -1 with errno if the kernel refuses. */
int landlock_confine_writes(const char *folder);

#endif
