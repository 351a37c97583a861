/* SPDX-License-Identifier: Apache-2.0 */
/* The jail around every VMM, whatever its driver: the second boundary between a job and the host, and
 * with User Mode Linux the first one. What the host can give is tried once, in jail_make. From then on every
 * VMM gets exactly that, or it does not start.
 *
 * Where the parts are: namespaces here, the root directory in jail_root.c, Landlock in landlock.c, the
 * order of the steps between fork and exec in process.c. */
#ifndef PE_WORKER_VMM_JAIL_H
#define PE_WORKER_VMM_JAIL_H

#include "base/error.h"
#include "worker/vmm/cgroup.h"
#include "worker/vmm/jail_files.h"
#include "worker/vmm/jail_report.h"
#include "worker/vmm/vmm.h"

/* Processes that this one forks can use it as well. */
struct jail {
    struct jail_report report;
    struct jail_files files; /* what a VMM can open, apart from what it inherits */
    int namespaces;          /* flags for clone(2) */
    int root;                /* from jail_root_build; -1: there is no such root */
    int empty_root;          /* from jail_root_make_empty, if `root` is -1; -1: VMMs keep that of the host */
    struct cgroup_base cgroups;
};

/* Try what this host and the rights of this process allow, for VMMs of host->driver. The caller
 * owns the result. Returns NULL with PE_ERR_NOT_FOUND if the VMM's program is missing, and with
 * PE_ERR_INTERNAL if its libraries cannot be found. */
struct jail *jail_make(const struct vm_host *host, struct pe_error *err) PE_MUST_CHECK;

/* Called in a new process that has a UTS namespace of its own, which begins with the host's names: remove
 * them. Returns 0, or -1 with errno. */
int jail_hide_host_name(void);

/* Close and free it. Harmless on NULL. VMMs that were started stay confined. */
void jail_free(struct jail *jail);

#endif
