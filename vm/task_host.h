/* SPDX-License-Identifier: Apache-2.0 */
/* What `pe-vm task` needs before it can make a VM as a slot of a worker does: an engine, a jail, a folder,
 * and, if it runs as root, a user for the VMM. */
#ifndef PE_VM_TASK_HOST_H
#define PE_VM_TASK_HOST_H

#include "base/error.h"
#include "worker/host/vm_files.h"
#include "worker/vmm/driver.h"
#include "worker/vmm/engine_selection.h"
#include "worker/vmm/vmm.h"

#include <limits.h>
#include <signal.h>
#include <stdbool.h>

struct task_host {
    struct vm_files files;             /* options may set them before task_host_open */
    const volatile sig_atomic_t *stop; /* ends a trial of engines, as in struct probe; NULL: nothing does */
    struct vm_host vm;
    struct engine engine; /* the chosen one */
    char version[VMM_VERSION_MAX];
    char run_dir[PATH_MAX]; /* removed by task_host_close; "": there is none */
    int users_lock;         /* the user of the VMM stays ours; -1: this is not root */
    int cpu_seat;           /* so does the CPU that the VM stays on; -1: it has none of its own */
};

#define TASK_HOST_NONE ((struct task_host){.users_lock = -1, .cpu_seat = -1})

/* Prepare for VMs of the engine `name`, as of pe-worker's option --vmm. The full name of an engine is used
 * without a trial: if it does not work here, its VM fails. From other names, such as "auto" or "kvm", the
 * first engine that works is chosen, and remembered for the next time. Sets this process up to adopt orphans.
 * The host must not be copied afterwards. Close it also after a failure. Errors are those of vm_files_find,
 * vmm_users_lock, worker_dir_make, probe_host and vm_host_confine. */
int task_host_open(struct task_host *host, const char *name, struct pe_error *err) PE_MUST_CHECK;

/* Remove the folder and release everything. There must be no VM any more. */
void task_host_close(struct task_host *host);

#endif
