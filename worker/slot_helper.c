/* SPDX-License-Identifier: Apache-2.0 */
/* The slot's end of its helper: requests and replies. What the helper does is in
 * worker/slot_helper_process.c. */
#include "worker/slot_helper.h"

#include "base/cleanup.h"
#include "base/fd_message.h"
#include "worker/slot_request.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int slot_helper_set_patience(int fd, unsigned patience_ms, struct pe_error *err)
{
    const struct timeval wait = {patience_ms / 1000, (long)(patience_ms % 1000) * 1000};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0)
        return 0;
    return pe_fail_errno(err, "cannot limit the wait for the helper of a slot");
}

/* `n` is what was sent or received, -1 if it was nothing. */
static int lost(struct slot_helper *helper, ssize_t n, struct pe_error *err)
{
    const bool is_silent = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    helper->lost = true;
    return pe_fail(err, PE_ERR_LOST, "the helper process of this slot %s",
                   is_silent ? "does not answer" : "has ended");
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static int send_request(struct slot_helper *helper, const struct slot_request *request, const int *fds,
                        size_t count, struct pe_error *err)
{
    if (helper->lost)
        return lost(helper, 0, err);
    ssize_t n = pe_fd_message_send(helper->fd, request, sizeof *request, fds, count);
    return n == (ssize_t)sizeof *request ? 0 : lost(helper, n, err);
}

/* Wait for a reply, which has to have `expected` descriptors unless it is an error. */
static int receive_reply(struct slot_helper *helper, struct slot_reply *reply, int *got, size_t expected,
                         struct pe_error *err)
{
    size_t received = 0;
    ssize_t n = -1;
    do
        n = pe_fd_message_receive(helper->fd, reply, sizeof *reply, got, expected, &received);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof *reply && reply->failed) {
        close_all(got, received);
        *err = reply->error;
        return -1;
    }
    if (n == (ssize_t)sizeof *reply && received == expected)
        return 0;
    lost(helper, n, err);
    close_all(got, received);
    return -1;
}

/* The helper answers in the order of the requests. */
static void await_killed(struct slot_helper *helper)
{
    struct slot_reply reply;
    struct pe_error ignored;
    if (!helper->kills)
        return;
    helper->kills = false;
    /* If the helper has ended, the kernel has killed its VM. */
    int none[1] = {-1};
    int killed = receive_reply(helper, &reply, none, 0, &ignored);
    (void)killed;
}

/* Send a request with `count` descriptors, and wait for its reply. */
static int ask_for(struct slot_helper *helper, const struct slot_request *request, const int *fds,
                   size_t count, struct slot_reply *reply, int *got, size_t expected, struct pe_error *err)
{
    await_killed(helper);
    return send_request(helper, request, fds, count, err) < 0
               ? -1
               : receive_reply(helper, reply, got, expected, err);
}

static int ask(struct slot_helper *helper, enum slot_request_kind kind, const int *fds, size_t count,
               struct slot_reply *reply, int *got, size_t expected, struct pe_error *err)
{
    return ask_for(helper, &(struct slot_request){.kind = kind}, fds, count, reply, got, expected, err);
}

int slot_helper_start_vm(struct slot_helper *helper, const struct vm_spec *spec,
                         const struct vm_snapshot *snapshot, struct vm *vm, struct pe_error *err)
{
    const int fds[SLOT_FDS_CLONE] = {[SLOT_FD_ROOTFS] = spec->pmem[VM_PMEM_ROOTFS].fd,
                                     [SLOT_FD_INPUT] = spec->pmem[VM_PMEM_INPUT].fd,
                                     [SLOT_FD_OUTPUT] = spec->pmem[VM_PMEM_OUTPUT].fd,
                                     [SLOT_FD_LIVE] = spec->pmem[VM_PMEM_LIVE].fd,
                                     [SLOT_FD_MEMORY] = snapshot ? snapshot->memory_fd : -1,
                                     [SLOT_FD_STATE] = snapshot ? snapshot->state_fd : -1};
    struct slot_reply reply;
    int got[SLOT_REPLY_VM_FDS];
    *vm = VM_NONE;
    if (ask(helper, snapshot ? SLOT_REQUEST_CLONE : SLOT_REQUEST_BOOT, fds,
            snapshot ? SLOT_FDS_CLONE : SLOT_FDS_BOOT, &reply, got, SLOT_REPLY_VM_FDS, err) < 0)
        return -1;
    vm->pid = reply.pid;
    vm->serial_fd = got[SLOT_REPLY_SERIAL];
    vm->log_fd = got[SLOT_REPLY_LOG];
    vm->spawn_us = reply.spawn_us;
    vm->restore_us = reply.restore_us;
    return 0;
}

int slot_helper_save_vm(struct slot_helper *helper, struct pe_error *err)
{
    struct slot_reply reply;
    return ask(helper, SLOT_REQUEST_SAVE, NULL, 0, &reply, NULL, 0, err);
}

void slot_helper_begin_kill_vm(struct slot_helper *helper, const struct vm *vm)
{
    struct pe_error ignored;
    if (vm->pid > 0 && !helper->kills)
        helper->kills =
            send_request(helper, &(struct slot_request){.kind = SLOT_REQUEST_KILL}, NULL, 0, &ignored) == 0;
}

void slot_helper_kill_vm(struct slot_helper *helper, struct vm *vm)
{
    slot_helper_begin_kill_vm(helper, vm);
    await_killed(helper);
    pe_cleanup_close(&vm->serial_fd);
    pe_cleanup_close(&vm->log_fd);
    *vm = VM_NONE;
}

static int starter_start(void *context, const struct vm_spec *spec, const struct vm_snapshot *snapshot,
                         struct vm *vm, struct pe_error *err)
{
    return slot_helper_start_vm(context, spec, snapshot, vm, err);
}

static int starter_save(void *context, struct vm *vm, struct vm_snapshot *snapshot, struct pe_error *err)
{
    (void)vm;
    (void)snapshot; /* the helper keeps it */
    return slot_helper_save_vm(context, err);
}

static void starter_begin_kill(void *context, struct vm *vm)
{
    slot_helper_begin_kill_vm(context, vm);
}

static void starter_kill(void *context, struct vm *vm)
{
    slot_helper_kill_vm(context, vm);
}

struct machine_host slot_helper_machines(const struct worker_config *config)
{
    return (struct machine_host){
        .starter = {config->helper, starter_start, starter_save, starter_begin_kill, starter_kill},
        .store = config->store,
        .memory_mib = config->memory_mib,
        .cpus = PE_GUEST_CPUS,
        .prewarm = config->engine.prewarm,
        .prewarm_clones = config->engine.prewarm && config->slot < config->warm.prewarm_slots,
    };
}

static int connect_to(struct slot_helper *helper, const struct slot_request *request, struct pe_error *err)
{
    struct slot_reply reply;
    int fd = -1;
    return ask_for(helper, request, NULL, 0, &reply, &fd, 1, err) < 0 ? -1 : fd;
}

int slot_helper_link_balancer(struct slot_helper *helper, size_t number, struct pe_error *err)
{
    const struct slot_request request = {.kind = SLOT_REQUEST_BALANCER, .balancer = (uint32_t)number};
    return connect_to(helper, &request, err);
}

int slot_helper_connect_templates(struct slot_helper *helper, struct pe_error *err)
{
    return connect_to(helper, &(struct slot_request){.kind = SLOT_REQUEST_TEMPLATES}, err);
}
