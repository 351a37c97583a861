/* What a VMM may write to, as far as the kernel can hold it to that (Landlock, since Linux 5.13). */
#ifndef PE_WORKER_VMM_LANDLOCK_H
#define PE_WORKER_VMM_LANDLOCK_H

/* From here on this process and what it starts can change, make, remove and open for writing nothing but what
 * is in `folder` ("": nothing there either), /dev/kvm and /dev/null, whatever its user may do. Files without
 * a name, as memfds, stay writable to who has a descriptor. Wants no_new_privs set. Only system calls: for
 * between fork and exec. 0 also when the kernel has no Landlock; negative with errno when it has, and
 * refuses. */
int landlock_confine_writes(const char *folder);

#endif
