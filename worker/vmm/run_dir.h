/* The folder of a VM whose VMM needs things by path: sockets, a snapshot's files. */
#ifndef PE_WORKER_VMM_RUN_DIR_H
#define PE_WORKER_VMM_RUN_DIR_H

#include "base/error.h"
#include "worker/vmm/vmm.h"

/* Make an empty folder below host->run_dir, mode 0700 and owned by the VMM's user, and note it in
 * vm->run_dir. */
int run_dir_make(const struct vm_host *host, struct vm *vm, struct pe_error *err) PE_MUST_CHECK;

/* Remove the folder and the files in it (it has no subfolders). Harmless when vm->run_dir is "". */
void run_dir_remove(struct vm *vm);

#endif
