/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a VMM process so that it has what it needs and nothing else. Every driver starts its VMM
 * here. */
#ifndef PE_WORKER_VMM_PROCESS_H
#define PE_WORKER_VMM_PROCESS_H

#include "base/error.h"
#include "worker/vmm/fd_list.h"
#include "worker/vmm/syscalls.h"
#include "worker/vmm/vmm.h"

#include <stdbool.h>

/* What a VMM needs. */
struct vmm_process_needs {
    uint32_t memory_mib;                 /* RAM of the VM */
    uint32_t cpus;                       /* its virtual CPUs */
    unsigned processes;                  /* the most processes and threads of an intact VMM */
    bool one_cpu;                        /* stay on the CPU host->cpu */
    bool writes_disks;                   /* files of any size, which it has inherited */
    bool fixed_addresses;                /* no address space layout randomization, if the caller may */
    unsigned descriptors;                /* the most that it opens; 0: 1024 */
    int program;                         /* execute what has this number in the VMM; 0: the path argv[0] */
    char *const *environment;            /* as for execve(2); NULL: empty */
    const struct syscall_list *syscalls; /* what it may call (worker/vmm/syscalls.h); NULL: everything */
};

/* Start `argv` (NULL-terminated, argv[0] is a path) in host->jail and set vm->pid and vm->pidfd. The
 * process
 *
 *   - has the descriptors of `fds`, numbered as fd_list_add said, stdin from /dev/null, stdout and stderr to
 *     vm->log_fd, and no others
 *   - runs as host->uid and host->gid, with the group of /dev/kvm if it uses KVM, if the caller is root
 *   - has the namespaces and the root directory of the jail, with vm->run_dir at its own path
 *   - can open by name only the files of the jail and those in vm->run_dir, and can write only to the latter
 *     (worker/vmm/landlock.h)
 *   - has a cgroup with limits for memory, processes and CPU time, which vm->cgroup names
 *   - has no environment, / as its working directory, and limits for what a cgroup does not limit
 *   - cannot gain privileges, writes no core file, and dies with the calling process
 *   - makes no system calls but those of needs->syscalls; one that is a script, those of syscalls_script
 *
 * What host->jail->report lists as missing does not hold. With a PID namespace, all processes in it have
 * ended when vmm_process_kill returns. Without one the VMM has to take care that its processes die with it.
 *
 * Fails with PE_ERR_INTERNAL if it cannot fork. If the jail cannot be entered or the program cannot be
 * executed, the process ends and vm->log_fd says why. What `vm` has after a failure, vm_kill removes. */
int vmm_process_start(const struct vm_host *host, char *const *argv, const struct fd_list *fds,
                      const struct vmm_process_needs *needs, struct vm *vm,
                      struct pe_error *err) PE_MUST_CHECK;

/* Kill and reap the process. vm->pid is -1 afterwards. Harmless if there is none. */
void vmm_process_kill(struct vm *vm);

/* Run `program argument` for at most 20 s and copy what it prints to `text`, which is cut if it is
 * longer than `size` - 1 bytes. Fails with PE_ERR_NOT_FOUND if there is no such program, with
 * PE_ERR_TIMEOUT if it takes too long, and with PE_ERR_INTERNAL if it fails or prints nothing. */
int vmm_process_ask(const char *program, const char *argument, char *text, size_t size,
                    struct pe_error *err) PE_MUST_CHECK;

/* The same, but copy only the first line: the way in which VMMs report their version. */
int vmm_process_query(const char *program, const char *argument, char *line, size_t size,
                      struct pe_error *err) PE_MUST_CHECK;

#endif
