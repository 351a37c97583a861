/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls of cloud-hypervisor v45 to v53, as its own filters have them (vmm/src/seccomp_filters.rs
 * and virtio-devices/src/seccomp_filters.rs), without those of devices that we do not use. It installs
 * these filters itself (--seccomp true), one for each thread. */
#include "worker/vmm/syscalls.h"

#include <errno.h>
#include <sched.h>
#include <sys/socket.h>

static const struct syscall_rule cloud_hypervisor[] = {
    /* KVM, whose ioctls have 0xae in their second byte, and FIOCLEX and FIONBIO. */
    SYSCALL_ALLOW_IF(ioctl, SYSCALL_BITS(1, 0xff00, 0xae00)), SYSCALL_ALLOW_IF(ioctl, SYSCALL_INT(1, 0x5451)),
    SYSCALL_ALLOW_IF(ioctl, SYSCALL_INT(1, 0x5421)), SYSCALL_REFUSE(ioctl, ENOTTY),
    /* The API and the serial port are sockets in the VM's folder, to which others connect. It does not
     * connect itself, nor has it datagram sockets: it could reach every socket of the host that has a
     * name. */
    SYSCALL_ALLOW_IF(socket, SYSCALL_INT(0, AF_UNIX), SYSCALL_BITS(1, 0xf, SOCK_STREAM)),
    SYSCALL_REFUSE(socket, EACCES),
    SYSCALL_ALLOW_IF(socketpair, SYSCALL_INT(0, AF_UNIX), SYSCALL_BITS(1, 0xf, SOCK_STREAM)),
    SYSCALL_REFUSE(socketpair, EACCES), SYSCALL_ALLOW(bind), SYSCALL_ALLOW(listen), SYSCALL_ALLOW(accept4),
    SYSCALL_REFUSE(connect, EACCES), SYSCALL_ALLOW(sendmsg), SYSCALL_ALLOW(recvmsg), SYSCALL_ALLOW(sendto),
    SYSCALL_ALLOW(recvfrom), SYSCALL_ALLOW(getsockopt), SYSCALL_ALLOW(setsockopt), SYSCALL_ALLOW(getsockname),
    SYSCALL_ALLOW(getpeername), SYSCALL_ALLOW(shutdown),
    /* a snapshot's files, and the end of the sockets */
    SYSCALL_ALLOW(mkdirat), SYSCALL_ALLOW(unlinkat), SYSCALL_ALLOW(openat2), SYSCALL_ALLOW(setsid),
    SYSCALL_ALLOW(tkill), SYSCALL_ALLOW(kill), SYSCALL_ALLOW(wait4), SYSCALL_ALLOW(timer_create),
    SYSCALL_ALLOW(timer_settime), SYSCALL_ALLOW(timer_delete), SYSCALL_ALLOW(landlock_create_ruleset),
    SYSCALL_ALLOW(landlock_add_rule), SYSCALL_ALLOW(landlock_restrict_self),
    SYSCALL_REFUSE(userfaultfd, EPERM), SYSCALL_REFUSE(io_setup, ENOSYS),
#if defined(__x86_64__)
    SYSCALL_ALLOW(mkdir), SYSCALL_ALLOW(unlink),
#endif
    SYSCALLS_THREADS, SYSCALL_END};

const struct syscall_list syscalls_cloud_hypervisor = {
    .parts = {cloud_hypervisor, syscalls_memory, syscalls_common}};
