/* Starting a VMM process so that it has what it needs and nothing else. */
#ifndef PE_WORKER_VMM_PROCESS_H
#define PE_WORKER_VMM_PROCESS_H

#include "base/error.h"
#include "worker/vmm/vmm.h"

/* The most file descriptors a VMM inherits, and the number of the first: descriptor `i` of the list is
 * VMM_FD_FIRST + i. */
#define VMM_FD_MAX 12
#define VMM_FD_FIRST 10

/* Run `argv` (NULL-terminated, argv[0] a path) with descriptors fds[0..fd_count) renumbered as above, stdin
 * from /dev/null, stdout and stderr to vm->log_fd, as host->uid and gid when we are root, without core files,
 * killed when we die, and able to write to nothing but vm->run_dir and /dev/kvm by name. Every other
 * descriptor is closed. Sets vm->pid and vm->pidfd. */
int vmm_process_start(const struct vm_host *host, char *const *argv, const int *fds, size_t fd_count,
                      struct vm *vm, struct pe_error *err) PE_MUST_CHECK;

/* Kill and reap it; vm->pid is -1 afterwards. */
void vmm_process_kill(struct vm *vm);

/* Run `program argument`, at most 20 s, and keep the first line that it prints: how a VMM tells its version.
 */
int vmm_process_ask(const char *program, const char *argument, char *line, size_t size,
                    struct pe_error *err) PE_MUST_CHECK;

#endif
