/* SPDX-License-Identifier: Apache-2.0 */
/* What every program expects of its root file system, and what images leave to the runtime: /etc/hosts,
 * /etc/hostname, /etc/resolv.conf, and directories for temporary files. */
#ifndef PE_GUEST_INIT_ROOT_FILES_H
#define PE_GUEST_INIT_ROOT_FILES_H

/* Complete the root file system behind the descriptor `root`: that of a container, an image below a
 * writable layer. No program of a user may run there yet. What the image has already stays: a line is added
 * to its /etc/hosts for "localhost" and for the name of the machine, at the end if the name is missing and
 * at the beginning if it leads elsewhere than to the loopback interface. A wrong /etc/hostname and an empty
 * /etc/resolv.conf are replaced, and only directories that are missing are made. Symbolic links are followed
 * inside that root. An image in which something cannot be made is used without it. */
void root_files_complete(int root);

#endif
