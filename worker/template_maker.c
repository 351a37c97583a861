/* SPDX-License-Identifier: Apache-2.0 */
/* The two processes that make a template: the maker has the rights of the worker, and helps another one that
 * has none. Which templates are made, and when, is decided in worker/template_cache.c. */
#include "worker/template_maker.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "worker/host/orphans.h"
#include "worker/job/machine.h"
#include "worker/slot_helper.h"
#include "worker/slot_rights.h"
#include "worker/template_channel.h"
#include "worker/template_disk.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Jobs that run at the same time come first. */
#define MAKER_NICENESS 5

/* ---- the process that reads what the guest sends ---- */

static int boot_and_save(const struct worker_config *config, const struct pe_image *image,
                         struct pe_error *err)
{
    const struct machine_host host = slot_helper_machines(config);
    struct vm_snapshot kept_by_helper;
    struct machine machine;
    if (machine_boot(&host, image, MACHINE_WARM, true, &machine, err) < 0)
        return -1;
    if (machine_await_ready(&machine, err) < 0) {
        machine_discard(&machine);
        return -1;
    }
    return machine_save(&machine, &kept_by_helper, err);
}

/* Give up all rights, as a slot does, before there is a guest. */
static int prepare(const struct worker_config *worker, const struct pe_image *image, int fd)
{
    struct worker_config config = *worker;
    struct slot_helper helper = {.fd = fd};
    struct pe_error err;
    prctl(PR_SET_NAME, "pe-template");
    config.helper = &helper;
    config.vm.jail = NULL; /* its descriptors are closed */
    if (slot_helper_set_patience(fd, SLOT_HELPER_ANSWER_MS, &err) == 0 &&
        slot_rights_drop(&config, &helper.fd, &err) == 0 && boot_and_save(&config, image, &err) == 0)
        return 0;
    pe_log(PE_LOG_ERROR, "the VM of a template for %s: %s", image->name, err.message);
    return 1;
}

/* ---- the maker, which helps it ---- */

static int build(const struct worker_config *config, const struct pe_image *image,
                 struct vm_snapshot *snapshot, struct pe_error *err)
{
    int pair[2];
    if (orphans_adopt() < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return pe_fail_errno(err, "cannot create a socket pair for the VM of a template");
    vm_sweep(&config->vm); /* an earlier maker may have been killed */
    pid_t pid = fork();
    if (pid == 0)
        _exit(prepare(config, image, pair[1]));
    close(pair[1]);
    if (pid > 0)
        slot_helper_serve_maker(config, pair[0], pid, snapshot);
    close(pair[0]);
    if (pid < 0)
        return pe_fail_errno(err, "cannot fork the process that prepares it");
    kill(pid, SIGKILL); /* it has nothing more to do, or breaks the rules */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return snapshot->memory_fd >= 0 ? 0 : pe_fail(err, PE_ERR_INTERNAL, "no VM was saved");
}

static int send_snapshot(int fd, const struct vm_snapshot *snapshot, struct pe_error *err)
{
    const struct template_message message = {.kind = TEMPLATE_GRANT_CLONE};
    return template_channel_send(fd, &message, snapshot, err);
}

static int make(const struct worker_config *config, const struct pe_image *image, const char *key, int fd,
                struct pe_error *err)
{
    struct vm_snapshot snapshot;
    uint64_t start_us = pe_now_us();
    int loaded = template_disk_load(config, key, &snapshot, err);
    if (loaded < 0 && err->kind != PE_ERR_NOT_FOUND)
        pe_log(PE_LOG_WARN, "%s; the template is made again", err->message);
    if (loaded < 0 && build(config, image, &snapshot, err) < 0)
        return -1;
    pe_log(PE_LOG_INFO, "template for %s %s after %llu ms: %llu MiB", image->name,
           loaded < 0 ? "made" : "loaded", (unsigned long long)(pe_now_us() - start_us) / 1000,
           (unsigned long long)template_disk_bytes(&snapshot) >> 20);
    int failed = send_snapshot(fd, &snapshot, err);
    close(fd); /* the caller waits for nothing more */
    if (!failed && loaded < 0)
        failed = template_disk_store(config, key, &snapshot, err);
    vm_snapshot_close(&snapshot);
    return failed;
}

int template_maker_start(const struct worker_config *config, const struct pe_image *image, const char *key,
                         struct template_maker *maker, struct pe_error *err)
{
    int pair[2];
    pid_t parent = getpid();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return pe_fail_errno(err, "cannot create a socket pair for a template maker");
    pid_t pid = fork();
    if (pid == 0) {
        struct pe_error fault;
        close(pair[0]);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
            _exit(1);
        prctl(PR_SET_NAME, "pe-maker");
        (void)!nice(MAKER_NICENESS); /* or less, if the whole worker is nice */
        int failed = make(config, image, key, pair[1], &fault);
        if (failed)
            pe_log(PE_LOG_ERROR, "cannot make a template for %s: %s", image->name, fault.message);
        _exit(failed ? 1 : 0);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return pe_fail_errno(err, "cannot fork a template maker");
    }
    *maker = (struct template_maker){.pid = pid, .fd = pair[0], .until_us = pe_now_us() + TEMPLATE_MAKER_US};
    return 0;
}
