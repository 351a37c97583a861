/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that all lists have in common. */
#include "worker/vmm/syscalls.h"

#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define FCNTL(command) SYSCALL_ALLOW_IF(fcntl, SYSCALL_INT(1, command))

const struct syscall_rule syscalls_common[] = {
    /* files that are open */
    SYSCALL_ALLOW(read), SYSCALL_ALLOW(write), SYSCALL_ALLOW(readv), SYSCALL_ALLOW(writev),
    SYSCALL_ALLOW(pread64), SYSCALL_ALLOW(pwrite64), SYSCALL_ALLOW(preadv), SYSCALL_ALLOW(pwritev),
    SYSCALL_ALLOW(preadv2), SYSCALL_ALLOW(pwritev2), SYSCALL_ALLOW(lseek), SYSCALL_ALLOW(close),
    SYSCALL_ALLOW(close_range), SYSCALL_ALLOW(dup), SYSCALL_ALLOW(dup3), SYSCALL_ALLOW(fstat),
    SYSCALL_ALLOW(fstatfs), SYSCALL_ALLOW(ftruncate), SYSCALL_ALLOW(fallocate), SYSCALL_ALLOW(fsync),
    SYSCALL_ALLOW(fdatasync), SYSCALL_ALLOW(flock), SYSCALL_ALLOW(getdents64), SYSCALL_ALLOW(fchdir),
    /* Not F_SETOWN and F_SETSIG, which send signals. */
    FCNTL(F_DUPFD), FCNTL(F_DUPFD_CLOEXEC), FCNTL(F_GETFD), FCNTL(F_SETFD), FCNTL(F_GETFL), FCNTL(F_SETFL),
    FCNTL(F_GETLK), FCNTL(F_SETLK), FCNTL(F_SETLKW), FCNTL(F_OFD_GETLK), FCNTL(F_OFD_SETLK),
    FCNTL(F_OFD_SETLKW), FCNTL(F_ADD_SEALS), FCNTL(F_GET_SEALS), FCNTL(F_GETPIPE_SZ), FCNTL(F_SETPIPE_SZ),
    SYSCALL_REFUSE(fcntl, EINVAL),
    /* Terminals and block devices are what programs ask for, and a VMM has neither. */
    SYSCALL_REFUSE(ioctl, ENOTTY),
    /* files with a name */
    SYSCALL_ALLOW(openat), SYSCALL_ALLOW(newfstatat), SYSCALL_ALLOW(statx), SYSCALL_ALLOW(statfs),
    SYSCALL_ALLOW(faccessat), SYSCALL_ALLOW(faccessat2), SYSCALL_ALLOW(readlinkat), SYSCALL_ALLOW(getcwd),
    SYSCALL_REFUSE(openat2, ENOSYS),
    /* files without a name */
    SYSCALL_ALLOW(memfd_create), SYSCALL_ALLOW(pipe2), SYSCALL_ALLOW(eventfd2), SYSCALL_ALLOW(signalfd4),
    SYSCALL_ALLOW(epoll_create1), SYSCALL_ALLOW(epoll_ctl), SYSCALL_ALLOW(epoll_pwait),
    SYSCALL_ALLOW(epoll_pwait2), SYSCALL_ALLOW(ppoll), SYSCALL_ALLOW(timerfd_create),
    SYSCALL_ALLOW(timerfd_settime), SYSCALL_ALLOW(timerfd_gettime),
    /* memory */
    SYSCALL_ALLOW(munmap), SYSCALL_ALLOW(mremap), SYSCALL_ALLOW(madvise), SYSCALL_ALLOW(msync),
    SYSCALL_ALLOW(mincore), SYSCALL_ALLOW(brk), SYSCALL_REFUSE(mlock, EPERM), SYSCALL_REFUSE(mlock2, EPERM),
    SYSCALL_REFUSE(mlockall, EPERM),
    /* libnuma asks for the policy when a program starts. */
    SYSCALL_REFUSE(get_mempolicy, ENOSYS), SYSCALL_REFUSE(set_mempolicy, ENOSYS),
    SYSCALL_REFUSE(mbind, ENOSYS),
    /* threads and signals */
    SYSCALL_ALLOW(futex), SYSCALL_ALLOW(set_robust_list), SYSCALL_ALLOW(get_robust_list), SYSCALL_ALLOW(rseq),
    SYSCALL_ALLOW(set_tid_address), SYSCALL_ALLOW(membarrier), SYSCALL_ALLOW(sched_yield),
    SYSCALL_ALLOW(sched_getaffinity), SYSCALL_ALLOW(getcpu), SYSCALL_ALLOW(rt_sigaction),
    SYSCALL_ALLOW(rt_sigprocmask), SYSCALL_ALLOW(rt_sigreturn), SYSCALL_ALLOW(rt_sigpending),
    SYSCALL_ALLOW(rt_sigtimedwait), SYSCALL_ALLOW(rt_sigsuspend), SYSCALL_ALLOW(sigaltstack),
    SYSCALL_ALLOW(tgkill), SYSCALL_REFUSE(sched_setaffinity, EPERM),
    /* time */
    SYSCALL_ALLOW(clock_gettime), SYSCALL_ALLOW(clock_getres), SYSCALL_ALLOW(clock_nanosleep),
    SYSCALL_ALLOW(nanosleep), SYSCALL_ALLOW(gettimeofday), SYSCALL_ALLOW(times), SYSCALL_ALLOW(getrusage),
    SYSCALL_ALLOW(restart_syscall),
    /* the process */
    SYSCALL_ALLOW(execve), SYSCALL_ALLOW(exit), SYSCALL_ALLOW(exit_group), SYSCALL_ALLOW(getpid),
    SYSCALL_ALLOW(getppid), SYSCALL_ALLOW(gettid), SYSCALL_ALLOW(getpgid), SYSCALL_ALLOW(getsid),
    SYSCALL_ALLOW(getuid), SYSCALL_ALLOW(geteuid), SYSCALL_ALLOW(getgid), SYSCALL_ALLOW(getegid),
    SYSCALL_ALLOW(getgroups), SYSCALL_ALLOW(getresuid), SYSCALL_ALLOW(getresgid), SYSCALL_ALLOW(umask),
    SYSCALL_ALLOW(uname), SYSCALL_ALLOW(sysinfo), SYSCALL_ALLOW(getrandom),
    /* Read limits, and raise that of open files up to the hard limit. */
    SYSCALL_ALLOW_IF(prlimit64, SYSCALL_INT(0, 0), SYSCALL_NULL(2)),
    SYSCALL_ALLOW_IF(prlimit64, SYSCALL_INT(0, 0), SYSCALL_INT(1, RLIMIT_NOFILE)),
    SYSCALL_REFUSE(prlimit64, EPERM), SYSCALL_ALLOW(getrlimit),
    SYSCALL_ALLOW_IF(prctl, SYSCALL_INT(0, PR_SET_NAME)),
    SYSCALL_ALLOW_IF(prctl, SYSCALL_INT(0, PR_GET_NAME)),
    SYSCALL_ALLOW_IF(prctl, SYSCALL_INT(0, PR_SET_NO_NEW_PRIVS)),
    SYSCALL_ALLOW_IF(prctl, SYSCALL_INT(0, PR_SET_TIMERSLACK)),
    SYSCALL_ALLOW_IF(prctl, SYSCALL_INT(0, PR_MCE_KILL)),
    SYSCALL_ALLOW_IF(prctl, SYSCALL_INT(0, PR_SET_PDEATHSIG)),
    SYSCALL_ALLOW_IF(prctl, SYSCALL_INT(0, PR_SET_SECCOMP)), SYSCALL_REFUSE(prctl, EINVAL),
    /* A VMM may add filters of its own. They can only deny more. */
    SYSCALL_ALLOW(seccomp), SYSCALL_REFUSE(io_uring_setup, ENOSYS),
#if defined(__x86_64__)
    /* calls that newer architectures do not have */
    SYSCALL_ALLOW(open), SYSCALL_ALLOW(stat), SYSCALL_ALLOW(lstat), SYSCALL_ALLOW(access),
    SYSCALL_ALLOW(readlink), SYSCALL_ALLOW(pipe), SYSCALL_ALLOW(dup2), SYSCALL_ALLOW(poll),
    SYSCALL_ALLOW(epoll_create), SYSCALL_ALLOW(epoll_wait), SYSCALL_ALLOW(getpgrp), SYSCALL_ALLOW(time),
    SYSCALL_ALLOW_IF(arch_prctl, SYSCALL_INT(0, ARCH_SET_FS)),
    SYSCALL_ALLOW_IF(arch_prctl, SYSCALL_INT(0, ARCH_GET_FS)), SYSCALL_REFUSE(arch_prctl, EINVAL),
#endif
    SYSCALL_END};

const struct syscall_rule syscalls_memory[] = {SYSCALL_ALLOW_IF(mmap, SYSCALL_BITS(2, PROT_EXEC, 0)),
                                               SYSCALL_ALLOW_IF(mmap, SYSCALL_BITS(2, PROT_WRITE, 0)),
                                               SYSCALL_ALLOW_IF(mprotect, SYSCALL_BITS(2, PROT_EXEC, 0)),
                                               SYSCALL_END};

const struct syscall_rule syscalls_memory_executable[] = {SYSCALL_ALLOW(mmap), SYSCALL_ALLOW(mprotect),
                                                          SYSCALL_END};
