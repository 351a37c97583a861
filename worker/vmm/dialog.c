/* SPDX-License-Identifier: Apache-2.0 */
/* The process that talks to a VMM, and what its parent accepts from it. What is said is in the drivers. */
#include "worker/vmm/dialog.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "base/fd_message.h"
#include "base/io.h"
#include "worker/vmm/rights.h"
#include "worker/vmm/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The process knows the deadline as well, and then says what took so long. */
#define GRACE_US 2000000u

/* What the process says at its end. It may have been taken over, so every value is checked. */
struct answer {
    uint64_t failed; /* as wide as the next one, so that no bytes of the stack are between them */
    uint64_t spawn_us, restore_us;
    struct pe_error error;
};

/* libcurl needs UNIX sockets, and asks for what it can do without. */
static const struct syscall_rule rules[] = {SYSCALL_REFUSE(execve, EPERM),
                                            SYSCALL_REFUSE(tgkill, EPERM),
                                            SYSCALL_ALLOW_IF(socket, SYSCALL_INT(0, AF_UNIX)),
                                            SYSCALL_REFUSE(socket, EAFNOSUPPORT),
                                            SYSCALL_ALLOW_IF(socketpair, SYSCALL_INT(0, AF_UNIX)),
                                            SYSCALL_ALLOW(connect),
                                            SYSCALL_ALLOW(sendto),
                                            SYSCALL_ALLOW(recvfrom),
                                            SYSCALL_ALLOW(sendmsg),
                                            SYSCALL_ALLOW(recvmsg),
                                            SYSCALL_ALLOW(shutdown),
                                            SYSCALL_ALLOW(getsockname),
                                            SYSCALL_ALLOW(getpeername),
                                            SYSCALL_ALLOW(getsockopt),
                                            SYSCALL_ALLOW(setsockopt),
                                            SYSCALL_END};

static const struct syscall_list syscalls_dialog = {.parts = {rules, syscalls_memory, syscalls_common},
                                                    .otherwise = EPERM};

/* ---- in the process ---- */

/* The least number from `from` on that is in the list; ~0u if there is none. */
static unsigned next_kept(const int *kept, size_t count, unsigned from)
{
    unsigned least = ~0u;
    for (size_t i = 0; i < count; i++)
        if (kept[i] >= 0 && (unsigned)kept[i] >= from && (unsigned)kept[i] < least)
            least = (unsigned)kept[i];
    return least;
}

/* The worker has descriptors that lead to its token, to other processes and to the host's folders. */
static int close_others(const struct vm *vm, int socket, int fd, struct pe_error *err)
{
    const int kept[] = {vm->pidfd, vm->serial_fd, vm->log_fd, vm->manage_fd, vm->memory_fd, socket, fd};
    for (unsigned from = STDERR_FILENO + 1; from != 0;) {
        unsigned next = next_kept(kept, sizeof kept / sizeof *kept, from);
        if (next > from && close_range(from, next == ~0u ? next : next - 1, 0) < 0)
            return pe_fail_errno(err, "cannot close the descriptors of the worker");
        from = next + 1; /* 0 after the last one */
    }
    return 0;
}

static int drop_rights(const struct vm_host *host, const struct vm *vm, pid_t parent, struct pe_error *err)
{
    const struct rights rights = {.uid = host->uid,
                                  .gid = host->gid,
                                  .files = {.folder = -1, .own_folder = vm->run_dir[0] ? vm->run_dir : NULL},
                                  .syscalls = &syscalls_dialog};
    return rights_drop(&rights, parent, "the process that talks to a VMM", err);
}

static int converse(const struct vm_host *host, struct vm *vm, vmm_talk *talk, void *context, int fd,
                    pid_t parent, int socket)
{
    struct answer answer = {.failed = 1};
    const int before = vm->serial_fd;
    prctl(PR_SET_NAME, "pe-dialog");
    if (close_others(vm, socket, fd, &answer.error) == 0 &&
        drop_rights(host, vm, parent, &answer.error) == 0 && talk(host, vm, context, &answer.error) == 0)
        answer = (struct answer){.spawn_us = vm->spawn_us, .restore_us = vm->restore_us};
    const bool has_port = !answer.failed && vm->serial_fd != before;
    return pe_fd_message_send(socket, &answer, sizeof answer, &vm->serial_fd, has_port ? 1 : 0) < 0;
}

/* ---- in its parent ---- */

/* `*port` is the descriptor that came along, if one did, also after a failure. */
static int await_answer(int socket, uint64_t deadline_us, struct answer *answer, int *port,
                        struct pe_error *err)
{
    size_t count = 0;
    for (;;) {
        uint64_t now = pe_now_us();
        struct pollfd wait = {.fd = socket, .events = POLLIN};
        int n = now < deadline_us ? poll(&wait, 1, (int)((deadline_us - now) / 1000) + 1) : 0;
        if (n == 0)
            return pe_fail(err, PE_ERR_TIMEOUT, "the VMM did not answer in time");
        if (n > 0)
            break;
        if (errno != EINTR)
            return pe_fail_errno(err, "cannot wait for the process that talks to a VMM");
    }
    if (pe_fd_message_receive(socket, answer, sizeof *answer, port, 1, &count) == (ssize_t)sizeof *answer)
        return 0;
    return pe_fail(err, PE_ERR_INTERNAL, "the process that talks to a VMM has ended");
}

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

static int accept_answer(struct answer *answer, int *port, struct vm *vm, struct pe_error *err)
{
    answer->error.message[sizeof answer->error.message - 1] = '\0';
    if (answer->failed) {
        const bool is_kind = answer->error.kind >= PE_ERR_INTERNAL && answer->error.kind <= PE_ERR_CANCELED;
        return pe_fail(err, is_kind ? answer->error.kind : PE_ERR_INTERNAL, "%s", answer->error.message);
    }
    if (*port >= 0 && (vm->serial_fd >= 0 || !is_stream(*port) || fcntl(*port, F_SETFL, O_NONBLOCK) < 0))
        return pe_fail(err, PE_ERR_INTERNAL, "the process that talks to a VMM sent a wrong descriptor");
    if (*port >= 0)
        vm->serial_fd = pe_steal_fd(port);
    vm->spawn_us = answer->spawn_us;
    vm->restore_us = answer->restore_us;
    return 0;
}

int vmm_dialog(const struct vm_host *host, struct vm *vm, uint64_t deadline_us, vmm_talk *talk, void *context,
               int fd, struct pe_error *err)
{
    struct answer answer = {.failed = 1};
    const pid_t parent = getpid();
    pe_autoclose int socket = -1;
    pe_autoclose int port = -1;
    const pid_t pid = pe_child_fork("the process that talks to a VMM", &socket, err);
    if (pid < 0)
        return -1;
    if (pid == 0)
        _exit(converse(host, vm, talk, context, fd, parent, socket));
    int failed = await_answer(socket, deadline_us + GRACE_US, &answer, &port, err);
    pe_child_kill(pid);
    return failed ? -1 : accept_answer(&answer, &port, vm, err);
}
