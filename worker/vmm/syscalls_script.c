/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls of a script that starts a VMM, and of what it starts. */
#include "base/cleanup.h"
#include "worker/vmm/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct syscall_rule script[] = {SYSCALL_ALLOW(ioctl),
                                             SYSCALL_ALLOW(fcntl),
                                             SYSCALL_ALLOW(prctl),
                                             SYSCALL_ALLOW(prlimit64),
                                             SYSCALL_ALLOW_IF(socket, SYSCALL_INT(0, AF_UNIX)),
                                             SYSCALL_REFUSE(socket, EAFNOSUPPORT),
                                             SYSCALL_ALLOW_IF(socketpair, SYSCALL_INT(0, AF_UNIX)),
                                             SYSCALL_REFUSE(socketpair, EAFNOSUPPORT),
                                             SYSCALL_ALLOW(bind),
                                             SYSCALL_ALLOW(listen),
                                             SYSCALL_ALLOW(accept),
                                             SYSCALL_ALLOW(accept4),
                                             SYSCALL_ALLOW(connect),
                                             SYSCALL_ALLOW(sendmsg),
                                             SYSCALL_ALLOW(recvmsg),
                                             SYSCALL_ALLOW(sendto),
                                             SYSCALL_ALLOW(recvfrom),
                                             SYSCALL_ALLOW(getsockopt),
                                             SYSCALL_ALLOW(setsockopt),
                                             SYSCALL_ALLOW(getsockname),
                                             SYSCALL_ALLOW(getpeername),
                                             SYSCALL_ALLOW(shutdown),
                                             SYSCALL_ALLOW(mkdirat),
                                             SYSCALL_ALLOW(unlinkat),
                                             SYSCALL_ALLOW(renameat),
                                             SYSCALL_ALLOW(renameat2),
                                             SYSCALL_ALLOW(linkat),
                                             SYSCALL_ALLOW(symlinkat),
                                             SYSCALL_ALLOW(fchmod),
                                             SYSCALL_ALLOW(fchmodat),
                                             SYSCALL_ALLOW(utimensat),
                                             SYSCALL_ALLOW(chdir),
                                             SYSCALL_ALLOW(copy_file_range),
                                             SYSCALL_ALLOW(sendfile),
                                             SYSCALL_ALLOW(kill),
                                             SYSCALL_ALLOW(tkill),
                                             SYSCALL_ALLOW(wait4),
                                             SYSCALL_ALLOW(waitid),
                                             SYSCALL_ALLOW(setsid),
                                             SYSCALL_ALLOW(setpgid),
                                             SYSCALL_ALLOW(pidfd_open),
                                             SYSCALL_ALLOW(execveat),
                                             SYSCALL_ALLOW(timer_create),
                                             SYSCALL_ALLOW(timer_settime),
                                             SYSCALL_ALLOW(timer_gettime),
                                             SYSCALL_ALLOW(timer_delete),
                                             SYSCALL_ALLOW(setitimer),
                                             SYSCALL_ALLOW(getitimer),
                                             SYSCALL_ALLOW(landlock_create_ruleset),
                                             SYSCALL_ALLOW(landlock_add_rule),
                                             SYSCALL_ALLOW(landlock_restrict_self),
#if defined(__x86_64__)
                                             SYSCALL_ALLOW(fork),
                                             SYSCALL_ALLOW(vfork),
                                             SYSCALL_ALLOW(mkdir),
                                             SYSCALL_ALLOW(rmdir),
                                             SYSCALL_ALLOW(unlink),
                                             SYSCALL_ALLOW(rename),
                                             SYSCALL_ALLOW(link),
                                             SYSCALL_ALLOW(symlink),
                                             SYSCALL_ALLOW(chmod),
                                             SYSCALL_ALLOW(select),
                                             SYSCALL_ALLOW(eventfd),
#endif
                                             SYSCALL_ALLOW(pselect6),
                                             SYSCALLS_PROCESSES,
                                             SYSCALL_END};

const struct syscall_list syscalls_script = {.parts = {script, syscalls_memory_executable, syscalls_common},
                                             .otherwise = EPERM};

const struct syscall_list *syscalls_for_program(const char *path, const struct syscall_list *own)
{
    char start[2] = "";
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is_script = fd >= 0 && read(fd, start, sizeof start) == 2 && start[0] == '#' && start[1] == '!';
    return is_script ? &syscalls_script : own;
}
