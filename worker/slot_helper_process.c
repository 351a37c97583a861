/* SPDX-License-Identifier: Apache-2.0 */
/* The helper of a slot: a process with the rights of the worker, whose only input is the requests of the
 * slot. The slot may have been taken over, so every descriptor of a request is checked before a VMM gets it.
 * A VMM is confined anyway: what the slot could gain by a wrong descriptor is a VM that does not work. */
#include "worker/slot_helper.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "base/fd_message.h"
#include "base/io.h"
#include "base/log.h"
#include "proto/limits.h"
#include "proto/slot.h"
#include "worker/balancer_link.h"
#include "worker/board.h"
#include "worker/host/orphans.h"
#include "worker/job/machine.h"
#include "worker/slot_request.h"
#include "worker/template_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a slot that was taken over can ask for: that many connections at once for each balancer, and then one
 * in that time. An intact slot needs one to each and two others, and another one when it has lost one. */
enum { CONNECTIONS_AT_ONCE = 10, CONNECTION_EVERY_US = 1000000 };

struct helper {
    const struct worker_config *config;
    int fd; /* socket to the slot */
    struct vm vm;
    struct balancer_link links[BALANCERS_MAX];
    uint64_t connections_paid_us; /* until when the connections so far would have taken at the slowest rate */
    pid_t maker; /* the process that makes a template, a child; 0: this is the helper of a slot */
    struct vm_snapshot snapshot; /* what that process has saved */
};

/* ---- checks ---- */

/* A file of the image store: open for reading, and of whole blocks. */
static int check_rootfs(int fd, uint64_t *bytes, struct pe_error *err)
{
    struct stat status;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) != O_RDONLY || (flags & O_PATH) || fstat(fd, &status) < 0 ||
        !S_ISREG(status.st_mode) || status.st_size <= 0 || status.st_size % PE_PMEM_ALIGN)
        return pe_fail(err, PE_ERR_INVALID,
                       "the rootfs of a VM is not a file of whole blocks that is open for reading");
    *bytes = (uint64_t)status.st_size;
    return 0;
}

/* Only a memfd has seals. */
static int check_memfile(int fd, uint64_t bytes, int seals, struct pe_error *err)
{
    struct stat status;
    int has = fcntl(fd, F_GET_SEALS);
    if (has < 0 || (has & seals) != seals || fstat(fd, &status) < 0 || status.st_size < 0 ||
        (bytes && (uint64_t)status.st_size != bytes))
        return pe_fail(err, PE_ERR_INVALID,
                       "a device or a snapshot of a VM is not a memfd of the right size and seals");
    return 0;
}

static int check_devices(const int *fds, struct vm_spec *spec, struct pe_error *err)
{
    enum { FIXED = F_SEAL_GROW | F_SEAL_SHRINK };
    uint64_t rootfs_bytes = 0;
    if (check_rootfs(fds[SLOT_FD_ROOTFS], &rootfs_bytes, err) < 0 ||
        check_memfile(fds[SLOT_FD_INPUT], PE_INPUT_DEVICE_BYTES, FIXED, err) < 0 ||
        check_memfile(fds[SLOT_FD_OUTPUT], PE_OUTPUT_DEVICE_BYTES, FIXED, err) < 0 ||
        check_memfile(fds[SLOT_FD_LIVE], PE_LIVE_DEVICE_BYTES, FIXED, err) < 0)
        return -1;
    spec->pmem[VM_PMEM_ROOTFS] = (struct vm_pmem){.fd = fds[SLOT_FD_ROOTFS], .bytes = rootfs_bytes};
    spec->pmem[VM_PMEM_INPUT] = (struct vm_pmem){fds[SLOT_FD_INPUT], PE_INPUT_DEVICE_BYTES, true};
    spec->pmem[VM_PMEM_OUTPUT] = (struct vm_pmem){fds[SLOT_FD_OUTPUT], PE_OUTPUT_DEVICE_BYTES, true};
    spec->pmem[VM_PMEM_LIVE] = (struct vm_pmem){fds[SLOT_FD_LIVE], PE_LIVE_DEVICE_BYTES, true};
    return 0;
}

static int check_snapshot(const struct worker_config *config, const int *fds, struct pe_error *err)
{
    enum { SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK };
    if (!config->engine.snapshots)
        return pe_fail(err, PE_ERR_INVALID, "this worker has no snapshots");
    if (check_memfile(fds[SLOT_FD_MEMORY], (uint64_t)machine_memory_mib(config->memory_mib) << 20, SEALS,
                      err) < 0)
        return -1;
    return check_memfile(fds[SLOT_FD_STATE], 0, SEALS, err);
}

/* ---- requests ---- */

static int start_vm(struct helper *helper, const int *fds, size_t count, bool clone, struct pe_error *err)
{
    const struct worker_config *config = helper->config;
    struct vm_spec spec = {.memory_mib = machine_memory_mib(config->memory_mib),
                           .cpus = PE_GUEST_CPUS,
                           .guest_options = "",
                           .savable = clone || helper->maker};
    if (helper->vm.pid > 0)
        return pe_fail(err, PE_ERR_INVALID, "this slot has a VM already");
    if (count != (clone ? SLOT_FDS_CLONE : SLOT_FDS_BOOT))
        return pe_fail(err, PE_ERR_INVALID, "the request for a VM has %zu descriptors", count);
    if (check_devices(fds, &spec, err) < 0 || (clone && check_snapshot(config, fds, err) < 0))
        return -1;
    if (!clone)
        return vm_boot(&config->vm, &spec, &helper->vm, err);
    const struct vm_snapshot snapshot = {.memory_fd = fds[SLOT_FD_MEMORY], .state_fd = fds[SLOT_FD_STATE]};
    return vm_clone(&config->vm, &spec, &snapshot, &helper->vm, err);
}

static int send_reply(const struct helper *helper, const struct slot_reply *reply, const int *fds,
                      size_t count)
{
    return pe_fd_message_send(helper->fd, reply, sizeof *reply, fds, count) == (ssize_t)sizeof *reply ? 0
                                                                                                      : -1;
}

static int send_failure(const struct helper *helper, const struct pe_error *err)
{
    return send_reply(helper, &(struct slot_reply){.failed = 1, .error = pe_error_copy(err)}, NULL, 0);
}

static int answer_start(struct helper *helper, const int *fds, size_t count, bool clone)
{
    struct pe_error err;
    if (start_vm(helper, fds, count, clone, &err) < 0)
        return send_failure(helper, &err);
    const struct vm *vm = &helper->vm;
    const int given[SLOT_REPLY_VM_FDS] = {[SLOT_REPLY_SERIAL] = vm->serial_fd, [SLOT_REPLY_LOG] = vm->log_fd};
    const struct slot_reply reply = {.pid = vm->pid, .spawn_us = vm->spawn_us, .restore_us = vm->restore_us};
    return send_reply(helper, &reply, given, SLOT_REPLY_VM_FDS);
}

/* The CPU time of all processes below this one that have ended, in microseconds. */
static uint64_t cpu_of_ended_us(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_CHILDREN, &usage) < 0)
        return 0;
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Nothing of a VM may be left when the slot is told that it has ended. */
static void end_vm(struct helper *helper)
{
    const uint64_t before_us = cpu_of_ended_us();
    pid_t spared[BALANCERS_MAX + 1] = {helper->maker};
    for (size_t i = 0; i < BALANCERS_MAX; i++)
        spared[1 + i] = helper->links[i].pid;
    if (helper->vm.pid > 0)
        orphans_end(helper->vm.pid, spared, sizeof spared / sizeof *spared);
    vm_kill(&helper->vm);
    board_add_cpu(helper->config->board, cpu_of_ended_us() - before_us);
}

static int answer_kill(struct helper *helper)
{
    end_vm(helper);
    return send_reply(helper, &(struct slot_reply){.failed = 0}, NULL, 0);
}

static int count_connection(struct helper *helper, struct pe_error *err)
{
    const uint64_t now_us = pe_now_us();
    const uint64_t from_us = helper->connections_paid_us > now_us ? helper->connections_paid_us : now_us;
    const size_t balancers = helper->config->balancers.count;
    if (from_us - now_us > (CONNECTIONS_AT_ONCE - 1) * (uint64_t)CONNECTION_EVERY_US)
        return pe_fail(err, PE_ERR_BUSY, "this slot asks for connections too often");
    helper->connections_paid_us = from_us + CONNECTION_EVERY_US / (balancers ? balancers : 1);
    return 0;
}

static int answer_templates(struct helper *helper)
{
    struct pe_error err;
    if (count_connection(helper, &err) < 0)
        return send_failure(helper, &err);
    pe_autoclose int fd = template_channel_connect(helper->config, &err);
    if (fd < 0)
        return send_failure(helper, &err);
    return send_reply(helper, &(struct slot_reply){.failed = 0}, &fd, 1);
}

/* A slot has one connection to each balancer at a time. It waits for them without the helper. */
static int answer_balancer(struct helper *helper, uint32_t number)
{
    struct pe_error err;
    struct worker_config config = *helper->config;
    if (number >= config.balancers.count)
        return -1;
    if (count_connection(helper, &err) < 0)
        return send_failure(helper, &err);
    config.balancer = number;
    balancer_link_end(&helper->links[number]);
    if (balancer_link_start(&config, PE_SLOT_PATH, &helper->links[number], &err) < 0)
        return send_failure(helper, &err);
    pe_autoclose int fd = helper->links[number].fd;
    return send_reply(helper, &(struct slot_reply){.failed = 0}, &fd, 1);
}

/* A second snapshot would take the place of the first one. */
static int answer_save(struct helper *helper)
{
    struct pe_error err;
    if (helper->vm.pid <= 0 || helper->snapshot.memory_fd >= 0) {
        pe_fail(&err, PE_ERR_INVALID, "there is no VM to save, or one was saved already");
        return send_failure(helper, &err);
    }
    if (vm_save(&helper->config->vm, &helper->vm, &helper->snapshot, &err) < 0)
        return send_failure(helper, &err);
    return send_reply(helper, &(struct slot_reply){.failed = 0}, NULL, 0);
}

/* No intact slot or maker sends anything else. */
static int answer(struct helper *helper, const struct slot_request *request, const int *fds, size_t count)
{
    switch (request->kind) {
    case SLOT_REQUEST_BOOT:
        return answer_start(helper, fds, count, false);
    case SLOT_REQUEST_KILL:
        return answer_kill(helper);
    case SLOT_REQUEST_SAVE:
        return helper->maker ? answer_save(helper) : -1;
    case SLOT_REQUEST_CLONE:
        return helper->maker ? -1 : answer_start(helper, fds, count, true);
    case SLOT_REQUEST_BALANCER:
        return helper->maker ? -1 : answer_balancer(helper, request->balancer);
    case SLOT_REQUEST_TEMPLATES:
        return helper->maker ? -1 : answer_templates(helper);
    default:
        return -1;
    }
}

/* Returns when the slot has ended or breaks the rules. */
static void serve(struct helper *helper)
{
    int answered = 0;
    while (answered == 0) {
        struct slot_request request;
        int fds[SLOT_FDS_CLONE];
        size_t count = 0;
        ssize_t n = pe_fd_message_receive(helper->fd, &request, sizeof request, fds, SLOT_FDS_CLONE, &count);
        if (n < 0 && errno == EINTR)
            continue; /* the slot is asked to stop, and it says when */
        for (size_t i = 0; i < BALANCERS_MAX; i++)
            balancer_link_reap(&helper->links[i]);
        answered = n == (ssize_t)sizeof request ? answer(helper, &request, fds, count) : -1;
        for (size_t i = 0; i < count; i++)
            close(fds[i]);
    }
}

static void run(const struct worker_config *config, int fd, pid_t slot) __attribute__((noreturn));
static void run(const struct worker_config *config, int fd, pid_t slot)
{
    struct helper helper = {.config = config, .fd = fd, .vm = VM_NONE, .snapshot = VM_SNAPSHOT_NONE};
    prctl(PR_SET_NAME, "pe-slot-helper");
    if (pe_child_die_with(slot) < 0 || orphans_adopt() < 0)
        _exit(1);
    vm_sweep(&config->vm); /* an earlier process of this slot may have been killed */
    serve(&helper);
    end_vm(&helper);
    for (size_t i = 0; i < BALANCERS_MAX; i++)
        balancer_link_end(&helper.links[i]);
    _exit(0);
}

void slot_helper_serve_maker(const struct worker_config *config, int fd, pid_t child,
                             struct vm_snapshot *snapshot)
{
    struct helper helper = {
        .config = config, .fd = fd, .vm = VM_NONE, .maker = child, .snapshot = VM_SNAPSHOT_NONE};
    serve(&helper);
    end_vm(&helper);
    *snapshot = helper.snapshot;
}

int slot_helper_start(const struct worker_config *config, struct slot_helper *helper, struct pe_error *err)
{
    pe_autoclose int fd = -1;
    const pid_t slot = getpid();
    *helper = (struct slot_helper){.fd = -1};
    const pid_t pid = pe_child_fork("the helper of a slot", &fd, err);
    if (pid == 0)
        run(config, fd, slot);
    /* The helper ends when its socket is closed. */
    if (pid < 0 || slot_helper_set_patience(fd, SLOT_HELPER_ANSWER_MS, err) < 0)
        return -1;
    helper->fd = pe_steal_fd(&fd);
    return 0;
}
