/* SPDX-License-Identifier: Apache-2.0 */
/* The two processes that make a template: the maker has the rights of the worker, and helps another one that
 * has none. Which templates are made, and when, is decided in worker/template_cache.c. */
#include "worker/template_maker.h"

#include "base/child.h"
#include "base/io.h"
#include "base/log.h"
#include "worker/host/orphans.h"
#include "worker/job/machine.h"
#include "worker/slot_helper.h"
#include "worker/slot_rights.h"
#include "worker/template_channel.h"
#include "worker/template_disk.h"

#include <sys/prctl.h>
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
    int fd = -1;
    if (orphans_adopt() < 0)
        return pe_fail_errno(err, "cannot adopt the processes of its VM");
    vm_sweep(&config->vm); /* an earlier maker may have been killed */
    const pid_t pid = pe_child_fork("the process that prepares it", &fd, err);
    if (pid < 0)
        return -1;
    if (pid == 0)
        _exit(prepare(config, image, fd));
    slot_helper_serve_maker(config, fd, pid, snapshot);
    close(fd);
    pe_child_kill(pid); /* it has nothing more to do, or breaks the rules */
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
    int fd = -1;
    const pid_t parent = getpid();
    const pid_t pid = pe_child_fork("a template maker", &fd, err);
    if (pid < 0)
        return -1;
    if (pid == 0) {
        struct pe_error fault;
        if (pe_child_die_with(parent) < 0)
            _exit(1);
        prctl(PR_SET_NAME, "pe-maker");
        (void)!nice(MAKER_NICENESS); /* or less, if the whole worker is nice */
        int failed = make(config, image, key, fd, &fault);
        if (failed)
            pe_log(PE_LOG_ERROR, "cannot make a template for %s: %s", image->name, fault.message);
        _exit(failed ? 1 : 0);
    }
    *maker = (struct template_maker){.pid = pid, .fd = fd, .until_us = pe_now_us() + TEMPLATE_MAKER_US};
    return 0;
}
