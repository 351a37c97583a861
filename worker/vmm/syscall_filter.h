/* SPDX-License-Identifier: Apache-2.0 */
/* Filters of system calls (seccomp) for VMMs. Each VMM has a list of what it may call. The lists are
 * in worker/vmm/syscalls_*.c and were made by tracing real runs.
 *
 * A call ends in one of four ways:
 *
 *   - A call that the list allows is made.
 *   - A call that the list refuses fails with the errno that the list says. A list refuses what the
 *     VMM or its libraries try and can do without, so that the releases of a VMM that differ in this
 *     all work. clone3(2), for example, fails with ENOSYS, because a filter cannot see its flags. The
 *     C library uses clone(2) then, whose flags are filtered.
 *   - A call that is newer than Linux 5.17 fails with ENOSYS, unless the list says otherwise.
 *     Everything that runs on Debian 12 does without these calls.
 *   - Every other call ends the VMM with SIGSYS, with all of its threads. No correct VMM makes it, so
 *     a guest has taken over its VMM or the list is wrong. In neither case may the guest go on.
 *
 * This file does not use libseccomp. It cannot express a filter in which a call with other arguments
 * than the allowed ones fails, while calls that are not named end the process.
 *
 * Sources: seccomp(2), and Documentation/userspace-api/seccomp_filter.rst of Linux. */
#ifndef PE_WORKER_VMM_SYSCALL_FILTER_H
#define PE_WORKER_VMM_SYSCALL_FILTER_H

#include "base/error.h"

#include <linux/filter.h>
#include <stdint.h>
#include <sys/syscall.h>

/* The condition that argument `argument` (0 to 5), of which only the bits of `mask` count, equals
 * `value`. It holds for every call if `mask` is 0. Where the kernel uses an argument as an int, the
 * mask has to leave out the upper half, which the kernel ignores. */
struct syscall_condition {
    unsigned argument;
    uint64_t mask, value;
};

/* What happens to the call `number` if both conditions hold: it is made if `refusal` is 0, else it
 * fails with that errno. */
struct syscall_rule {
    int number;
    int refusal;
    struct syscall_condition where[2];
};

/* Rules about the same call follow each other, and the first one whose conditions hold decides. If
 * none holds, the call ends the process. */
#define SYSCALL_ALLOW(name)  \
    {                        \
        .number = SYS_##name \
    }
#define SYSCALL_ALLOW_IF(name, ...)                    \
    {                                                  \
        .number = SYS_##name, .where = { __VA_ARGS__ } \
    }
#define SYSCALL_REFUSE(name, error)              \
    {                                            \
        .number = SYS_##name, .refusal = (error) \
    }
#define SYSCALL_INT(index, number)                                            \
    {                                                                         \
        .argument = (index), .mask = 0xffffffffu, .value = (uint32_t)(number) \
    }
#define SYSCALL_BITS(index, bits, wanted)                      \
    {                                                          \
        .argument = (index), .mask = (bits), .value = (wanted) \
    }
#define SYSCALL_NULL(index)                            \
    {                                                  \
        .argument = (index), .mask = ~0ull, .value = 0 \
    }
/* The last rule of an array. */
#define SYSCALL_END  \
    {                \
        .number = -1 \
    }

#define SYSCALL_PARTS_MAX 4

struct syscall_list {
    /* Arrays of rules, up to the first NULL. Of two arrays with rules about the same call, the first
     * one decides. */
    const struct syscall_rule *parts[SYSCALL_PARTS_MAX];
    /* 0: a call without a rule ends the process. Else it fails with this errno, also if it is made
     * by the conventions of another architecture. */
    int otherwise;
};

/* Bound on the instructions of a filter; the largest one has about half as many. */
#define SYSCALL_FILTER_MAX 1024

struct syscall_filter {
    struct sock_filter code[SYSCALL_FILTER_MAX];
    unsigned short count; /* 0: the kernel has no such filters, and calls are not filtered */
};

/* Make the filter of a list. Takes some microseconds. Fails with PE_ERR_TOO_LARGE if the list is too
 * long, which a test of every list rules out. */
int syscall_filter_make(const struct syscall_list *list, struct syscall_filter *filter,
                        struct pe_error *err) PE_MUST_CHECK;

/* Filter the calls of this process from now on, after execve(2) and in all children, too. The process
 * needs no_new_privs. Makes one system call, so that it can be used between fork and exec. Returns 0,
 * or -1 with errno. */
int syscall_filter_install(const struct syscall_filter *filter);

#endif
