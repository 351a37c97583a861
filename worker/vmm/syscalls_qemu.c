/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls of QEMU 7.2 to 10, without devices that need more. It installs a second filter
 * itself (-sandbox), after its start. */
#include "worker/vmm/syscalls.h"

#include <errno.h>
#include <sched.h>

static const struct syscall_rule qemu[] = {
    /* The serial port and QMP are connected sockets, which it inherits. */
    SYSCALL_ALLOW(sendmsg),         SYSCALL_ALLOW(recvmsg),     SYSCALL_ALLOW(sendto),
    SYSCALL_ALLOW(recvfrom),        SYSCALL_ALLOW(getsockopt),  SYSCALL_ALLOW(setsockopt),
    SYSCALL_ALLOW(getsockname),     SYSCALL_ALLOW(getpeername), SYSCALL_ALLOW(shutdown),
    SYSCALL_REFUSE(socket, EACCES), SYSCALLS_THREADS,           SYSCALL_END};

/* The ioctls of KVM have this number in their second byte. */
#define KVM_IOCTLS SYSCALL_BITS(1, 0xff00, 0xae00)

static const struct syscall_rule kvm[] = {SYSCALL_ALLOW_IF(ioctl, KVM_IOCTLS), SYSCALL_REFUSE(ioctl, ENOTTY),
                                          SYSCALL_END};

const struct syscall_list syscalls_qemu_tcg = {.parts = {qemu, syscalls_memory_executable, syscalls_common}};

const struct syscall_list syscalls_qemu_kvm = {.parts = {kvm, qemu, syscalls_memory, syscalls_common}};
