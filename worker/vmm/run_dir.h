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

/* Remove the folder and the files in it (it has no subfolders). Harmless if vm->run_dir is "". */
void run_dir_remove(struct vm *vm);

/* Remove the folders of owners that no longer exist. */
void run_dir_sweep(const char *run_dir);

#endif
