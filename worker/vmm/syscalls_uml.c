/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls of a User Mode Linux kernel and of the processes of its guest.
 *
 * In ptrace mode, a program of the guest never makes a system call of the host (PTRACE_SYSEMU), so it
 * never meets this filter. In its processes only the kernel's stub makes calls: it maps and unmaps the
 * memory of the program. The filter is inherited, so the stub has the kernel's list. */
#include "worker/vmm/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ptrace.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/socket.h>

#define PTRACE(request) SYSCALL_ALLOW_IF(ptrace, SYSCALL_INT(0, request))

/* From arch/x86/include/uapi/asm/ptrace-abi.h; the C library's header lacks the second one. */
#define REQUEST_SYSEMU 31
#define REQUEST_SYSEMU_SINGLESTEP 32

static const struct syscall_rule uml[] = {
    /* The most frequent requests first. A process can only be traced if it asks for it: there is
     * neither PTRACE_ATTACH nor PTRACE_SEIZE. Nor does a request read or write memory. */
    PTRACE(PTRACE_GETREGS), PTRACE(PTRACE_SETREGS), PTRACE(REQUEST_SYSEMU), PTRACE(PTRACE_CONT),
    PTRACE(PTRACE_GETSIGINFO), PTRACE(REQUEST_SYSEMU_SINGLESTEP), PTRACE(PTRACE_SETOPTIONS),
    PTRACE(PTRACE_GETREGSET), PTRACE(PTRACE_SETREGSET), PTRACE(PTRACE_PEEKUSR), PTRACE(PTRACE_POKEUSR),
    PTRACE(PTRACE_GETFPREGS), PTRACE(PTRACE_SETFPREGS), PTRACE(PTRACE_SYSCALL), PTRACE(PTRACE_SINGLESTEP),
    PTRACE(PTRACE_TRACEME), PTRACE(PTRACE_KILL), PTRACE(PTRACE_DETACH),
    /* The host tells the kernel about input with a signal. */
    SYSCALL_ALLOW_IF(fcntl, SYSCALL_INT(1, F_SETOWN)), SYSCALL_ALLOW_IF(fcntl, SYSCALL_INT(1, F_SETSIG)),
    SYSCALL_ALLOW_IF(fcntl, SYSCALL_INT(1, F_GETFL)), SYSCALL_ALLOW_IF(fcntl, SYSCALL_INT(1, F_SETFL)),
    SYSCALL_ALLOW_IF(fcntl, SYSCALL_INT(1, F_GETFD)), SYSCALL_ALLOW_IF(fcntl, SYSCALL_INT(1, F_SETFD)),
    SYSCALL_ALLOW_IF(fcntl, SYSCALL_INT(1, F_DUPFD)),
    SYSCALL_ALLOW_IF(fcntl, SYSCALL_INT(1, F_DUPFD_CLOEXEC)),
    SYSCALL_ALLOW_IF(fcntl, SYSCALL_INT(1, F_GETLK)), SYSCALL_ALLOW_IF(fcntl, SYSCALL_INT(1, F_SETLK)),
    SYSCALL_ALLOW_IF(fcntl, SYSCALL_INT(1, F_ADD_SEALS)),
    SYSCALL_ALLOW_IF(fcntl, SYSCALL_INT(1, F_GET_SEALS)), SYSCALL_REFUSE(fcntl, EINVAL), SYSCALL_ALLOW(kill),
    SYSCALL_ALLOW(wait4), SYSCALL_ALLOW(waitid), SYSCALL_ALLOW(setsid),
    SYSCALL_ALLOW_IF(personality, SYSCALL_INT(0, 0xffffffff)),
    SYSCALL_ALLOW_IF(personality, SYSCALL_BITS(0, 0xffffffffu & ~(uint64_t)ADDR_NO_RANDOMIZE, 0)),
    SYSCALL_ALLOW(sched_setaffinity), SYSCALL_ALLOW(timer_create), SYSCALL_ALLOW(timer_settime),
    SYSCALL_ALLOW(timer_gettime), SYSCALL_ALLOW(timer_delete), SYSCALL_ALLOW(timer_getoverrun),
    SYSCALL_ALLOW(getitimer), SYSCALL_ALLOW(setitimer),
    /* Between the kernel and its threads. A datagram socket could send to every socket of the host that
     * has a name, also one of a pair. The management console of Debian's kernel would want one, and does
     * without. */
    SYSCALL_ALLOW_IF(socketpair, SYSCALL_INT(0, AF_UNIX), SYSCALL_BITS(1, 0xf, SOCK_STREAM)),
    SYSCALL_REFUSE(socketpair, EACCES), SYSCALL_REFUSE(socket, EACCES), SYSCALL_ALLOW(sendmsg),
    SYSCALL_ALLOW(recvmsg), SYSCALL_ALLOW(shutdown),
    /* The folder of --uml_dir. */
    SYSCALL_ALLOW(mkdirat), SYSCALL_ALLOW(unlinkat), SYSCALL_ALLOW(fchmod),
#if defined(__x86_64__)
    SYSCALL_ALLOW(mkdir), SYSCALL_ALLOW(rmdir), SYSCALL_ALLOW(unlink), SYSCALL_ALLOW(vfork),
    SYSCALL_ALLOW(fork),
#endif
    /* The stub is executed from a memfd. */
    SYSCALL_ALLOW_IF(execveat, SYSCALL_INT(4, AT_EMPTY_PATH)), SYSCALLS_PROCESSES, SYSCALL_END};

const struct syscall_list syscalls_uml = {.parts = {uml, syscalls_memory_executable, syscalls_common}};

const struct syscall_list syscalls_uml_seccomp = {.parts = {uml, syscalls_memory_executable, syscalls_common},
                                                  .otherwise = ENOSYS};
