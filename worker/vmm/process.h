/* Starting a VMM process so that it has what it needs and nothing else. */
#ifndef PE_WORKER_VMM_PROCESS_H
#define PE_WORKER_VMM_PROCESS_H

#include "base/error.h"
#include "worker/vmm/vmm.h"

/* The most file descriptors a VMM inherits, and the number of the first: descriptor `i` of the list is
 * VMM_FD_FIRST + i. */
#define VMM_FD_MAX 8
#define VMM_FD_FIRST 10

/* Run `argv` (NULL-terminated, argv[0] a path) with descriptors fds[0..fd_count) renumbered as above, stdin
 * from /dev/null, stdout and stderr to `log_fd`, as host->uid and gid when we are root, without core files,
 * and killed when we die. Every other descriptor is closed. Sets vm->pid and vm->pidfd. */
int vmm_process_start(const struct vm_host *host, char *const *argv, const int *fds, size_t fd_count,
                      int log_fd, struct vm *vm, struct pe_error *err) PE_MUST_CHECK;

#endif
