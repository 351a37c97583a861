/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a VM whose VMM needs files by path: sockets, or the files of a snapshot. */
#ifndef PE_WORKER_VMM_RUN_DIR_H
#define PE_WORKER_VMM_RUN_DIR_H

#include "base/error.h"
#include "worker/vmm/vmm.h"

/* Create an empty folder below host->run_dir, with mode 0700 and owned by the VMM's user, and write
 * its path to vm->run_dir. Fails with PE_ERR_TOO_LARGE if the path is too long for sockets below
 * it, else with PE_ERR_INTERNAL. */
int run_dir_make(const struct vm_host *host, struct vm *vm, struct pe_error *err) PE_MUST_CHECK;

/* Open a file for reading that the VMM has made in its folder. A VMM that was taken over can have put
 * anything there: what is not a regular file, and a symbolic or hard link, is refused, and nothing blocks.
 * Returns a descriptor that the caller owns. Fails with PE_ERR_NOT_FOUND if there is no such name, else with
 * PE_ERR_INTERNAL. */
int run_dir_open_file(const char *folder, const char *name, struct pe_error *err) PE_MUST_CHECK;

/* The same for a socket to connect to; `path` is that of the socket. connect(2) follows symbolic links, and a
 * VMM must not choose which socket of the host the worker writes to. The descriptor is one of O_PATH: write
 * its address to `address` with run_dir_socket_address. Errors are those of run_dir_open_file. */
int run_dir_open_socket(const char *path, struct pe_error *err) PE_MUST_CHECK;

/* Size of the address of a socket, with its NUL. */
#define RUN_DIR_ADDRESS_MAX 32

/* The path that reaches the socket behind an O_PATH descriptor, as long as that is open. */
void run_dir_socket_address(int fd, char address[RUN_DIR_ADDRESS_MAX]);

/* Remove the folder and everything in it. Call it when the VMM has ended. Harmless if vm->run_dir is "". */
void run_dir_remove(struct vm *vm);

/* Remove the folders of owners that no longer exist. */
void run_dir_sweep(const char *run_dir);

#endif
