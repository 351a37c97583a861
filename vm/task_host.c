/* SPDX-License-Identifier: Apache-2.0 */
/* Preparing this process for VMs, in the order in which a worker does it. */
#include "vm/task_host.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "worker/host/cpu_seat.h"
#include "worker/host/orphans.h"
#include "worker/host/vmm_users.h"
#include "worker/host/worker_dir.h"
#include "worker/vmm/probe.h"
#include "worker/vmm/user_namespace.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static int lock_user(struct task_host *host, struct pe_error *err)
{
    uid_t first = 0;
    if (geteuid() != 0)
        return 0;
    host->users_lock = vmm_users_lock(WORKER_DIR_HOST "/vmm-users", &first, err);
    if (host->users_lock < 0)
        return -1;
    host->vm.uid = host->vm.gid = vmm_user(first, VMM_USER_VMM, 0);
    return 0;
}

/* Without a seat of its own, the VM shares the first CPU with others. */
static void take_cpu(struct task_host *host, const char *base)
{
    char path[PATH_MAX];
    struct pe_error err;
    snprintf(path, sizeof path, "%s/vmm-cpus", base);
    host->cpu_seat = cpu_seat_take(path, 0, &host->vm.cpu, &err);
    if (host->cpu_seat < 0)
        pe_log(PE_LOG_WARN, "%s", err.message);
}

static int make_folders(struct task_host *host, const char *base, struct pe_error *err)
{
    if (worker_dir_ensure(base, err) < 0 ||
        worker_dir_make(base, host->run_dir, sizeof host->run_dir, err) < 0)
        return -1;
    host->vm.run_dir = host->run_dir;
    return 0;
}

/* ---- the engine ---- */

static bool find_engine(struct task_host *host, const char *name)
{
    struct engine engines[ENGINES_MAX];
    struct utsname system;
    uname(&system);
    const size_t count = engines_for_machine(system.machine, engines);
    if (strstr(name, ENGINE_UML_SECCOMP))
        engines_use_uml_seccomp(engines, count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(engines[i].name, name) != 0)
            continue;
        host->engine = engines[i];
        engine_apply(&host->engine, &host->vm);
        return true;
    }
    return false;
}

/* The engine that the host has been set to. */
static int name_engine(struct task_host *host, bool snapshots, struct pe_error *err)
{
    struct engine engines[ENGINES_MAX];
    struct utsname system;
    uname(&system);
    const size_t count = engines_for_machine(system.machine, engines);
    for (size_t i = 0; i < count; i++)
        if (engines[i].driver == host->vm.driver && engines[i].accel == host->vm.accel &&
            engines[i].snapshot == snapshots && !strcmp(engines[i].cpu_flags, host->vm.cpu_flags)) {
            host->engine = engines[i];
            return 0;
        }
    return pe_fail(err, PE_ERR_INTERNAL, "the engine that was chosen has no name");
}

static int try_engines(struct task_host *host, const char *name, const char *base, struct pe_error *err)
{
    char results[PATH_MAX], reason[ENGINE_REASON_MAX];
    struct probe_findings findings;
    bool snapshots = false;
    snprintf(results, sizeof results, "%s/pe-vm-engines", base);
    const struct probe probe = {.wish = {.name = name}, .result_file = results, .stop = host->stop};
    if (probe_host(&probe, &host->vm, &snapshots, reason, &findings, err) < 0)
        return -1;
    return name_engine(host, snapshots, err);
}

static int choose_engine(struct task_host *host, const char *name, const char *base, struct pe_error *err)
{
    if (!find_engine(host, name) && try_engines(host, name, base, err) < 0)
        return -1;
    return vm_host_version(&host->vm, host->version, sizeof host->version, err);
}

int task_host_open(struct task_host *host, const char *name, struct pe_error *err)
{
    char base[256];
    struct pe_error why;
    worker_dir_usual(base, sizeof base);
    if (vm_files_find(&host->files, err) < 0 || lock_user(host, err) < 0 || make_folders(host, base, err) < 0)
        return -1;
    vm_files_apply(&host->files, &host->vm);
    take_cpu(host, base);
    if (user_namespace_enter(&why) < 0)
        pe_log(PE_LOG_WARN, "VMMs get no namespaces of their own: %s", why.message);
    if (orphans_adopt() < 0)
        return pe_fail_errno(err, "cannot adopt orphans");
    if (choose_engine(host, name, base, err) < 0 || vm_host_confine(&host->vm, err) < 0)
        return -1;
    vm_sweep(&host->vm);
    return 0;
}

void task_host_close(struct task_host *host)
{
    vm_host_release(&host->vm);
    pe_cleanup_close(&host->users_lock);
    pe_cleanup_close(&host->cpu_seat);
    if (host->run_dir[0])
        worker_dir_remove(host->run_dir);
    *host = TASK_HOST_NONE;
}
