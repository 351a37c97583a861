/* SPDX-License-Identifier: Apache-2.0 */
/* Finding out what the host can give. Everything is tried rather than deduced from capabilities and
 * versions, because containers and security modules deny more than these say. How a VMM enters the
 * jail is in process.c. */
#include "worker/vmm/jail.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "worker/vmm/driver.h"
#include "worker/vmm/jail_root.h"
#include "worker/vmm/landlock.h"
#include "worker/vmm/syscalls.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    enum jail_protection protection;
    int flag;
} namespaces[] = {
    {JAIL_MOUNTS, CLONE_NEWNS},     {JAIL_PROCESSES, CLONE_NEWPID}, {JAIL_IPC, CLONE_NEWIPC},
    {JAIL_HOST_NAME, CLONE_NEWUTS}, {JAIL_NETWORK, CLONE_NEWNET},
};

int jail_hide_host_name(void)
{
    static const char name[] = "vmm";
    return sethostname(name, sizeof name - 1) < 0 || setdomainname(name, sizeof name - 1) < 0 ? -1 : 0;
}

/* Wait for a child that exits with an errno. Returns 0, or -1 with that errno. */
static int await(pid_t pid)
{
    const int status = pe_child_await(pid);
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
    return errno ? -1 : 0;
}

/* Whether a process can have this namespace of its own. Returns 0, or -1 with errno. */
static int try_namespace(int flag)
{
    pid_t pid = (pid_t)syscall(SYS_clone, flag | SIGCHLD, NULL, NULL, NULL, 0);
    if (pid == 0)
        _exit(flag == CLONE_NEWUTS && jail_hide_host_name() < 0 ? errno : 0);
    return pid < 0 ? -1 : await(pid);
}

static void try_namespaces(struct jail *jail)
{
    for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++) {
        if (try_namespace(namespaces[i].flag) == 0) {
            jail->namespaces |= namespaces[i].flag;
            jail_report_active(&jail->report, namespaces[i].protection);
        } else {
            jail_report_missing(&jail->report, namespaces[i].protection,
                                "%s; the worker needs CAP_SYS_ADMIN or user namespaces", strerror(errno));
        }
    }
}

/* ---- the root directory ---- */

/* Whether a new process can move there. Returns 0, or -1 with errno. */
static int try_root(const struct jail *jail, int root, const char *run_dir)
{
    pid_t pid = (pid_t)syscall(SYS_clone, (jail->namespaces & ~CLONE_NEWNS) | SIGCHLD, NULL, NULL, NULL, 0);
    if (pid == 0)
        _exit(jail_root_enter(root, run_dir, -1, "") < 0 ? errno : 0);
    return pid < 0 ? -1 : await(pid);
}

/* Returns 0, or -1 after noting why not. */
static int make_mounted_root(struct jail *jail, const char *run_dir)
{
    struct pe_error err;
    const int needed = CLONE_NEWNS | CLONE_NEWPID;
    if ((jail->namespaces & needed) != needed) {
        jail_report_missing(&jail->report, JAIL_ROOT, "it needs a mount namespace and a PID namespace");
        return -1;
    }
    pe_autoclose int root = jail_root_build(&jail->files, run_dir, &err);
    if (root < 0) {
        jail_report_missing(&jail->report, JAIL_ROOT, "%.190s", err.message);
        return -1;
    }
    if (try_root(jail, root, run_dir) < 0) {
        jail_report_missing(&jail->report, JAIL_ROOT,
                            "cannot move to it: %s; the worker needs CAP_SYS_ADMIN and CAP_SYS_CHROOT",
                            strerror(errno));
        return -1;
    }
    jail->root = pe_steal_fd(&root);
    return 0;
}

/* For a VMM that opens nothing by path. Returns 0, or -1. */
static int make_empty_root(struct jail *jail, const char *run_dir)
{
    struct pe_error ignored;
    pe_autoclose int root = jail_root_make_empty(run_dir, &ignored);
    pid_t pid = root < 0 ? -1 : fork();
    if (pid == 0)
        _exit(jail_root_enter_empty(root) < 0 ? errno : 0);
    if (pid < 0 || await(pid) < 0)
        return -1;
    jail->empty_root = pe_steal_fd(&root);
    return 0;
}

static void make_root(struct jail *jail, const struct vm_host *host)
{
    if (make_mounted_root(jail, host->run_dir) == 0 ||
        (host->driver->opens_nothing && make_empty_root(jail, host->run_dir) == 0))
        jail_report_active(&jail->report, JAIL_ROOT);
}

/* ---- Landlock ---- */

static void note_landlock(struct jail_report *report, enum jail_protection protection, int needed)
{
    int version = landlock_version();
    if (version >= needed)
        jail_report_active(report, protection);
    else if (version == 0)
        jail_report_missing(report, protection,
                            "the kernel has no Landlock, or it is not in its option lsm=");
    else
        jail_report_missing(report, protection, "the kernel has version %d of Landlock; this needs %d",
                            version, needed);
}

/* ---- all of it ---- */

/* The file of a VMM that is a script, for which the filter has to allow more; NULL: there is none. */
static const char *find_script(const struct jail_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        if (files->items[i].use == JAIL_FILE_READ &&
            syscalls_for_program(files->items[i].path, NULL) == &syscalls_script)
            return files->items[i].path;
    return NULL;
}

static void note_filter(struct jail_report *report, const struct jail_files *files)
{
    static const struct syscall_list nothing;
    const char *script = find_script(files);
    struct syscall_filter filter;
    struct pe_error err;
    if (syscall_filter_make(&nothing, &filter, &err) < 0)
        jail_report_missing(report, JAIL_SYSTEM_CALLS, "%.190s", err.message);
    else if (filter.count == 0)
        jail_report_missing(report, JAIL_SYSTEM_CALLS, "the kernel has no seccomp filters");
    else if (script)
        jail_report_missing(report, JAIL_SYSTEM_CALLS,
                            "%.100s is a script, so the filter allows what ordinary programs use", script);
    else
        jail_report_active(report, JAIL_SYSTEM_CALLS);
}

static int find_files(const struct vm_host *host, struct jail_files *files, struct pe_error *err)
{
    for (size_t i = 0; i < host->vmm_path_count; i++)
        if (jail_files_add(files, JAIL_FILE_READ, host->vmm_paths[i], err) < 0)
            return -1;
    if (jail_files_add(files, JAIL_FILE_DEVICE, "/dev/null", err) < 0)
        return -1;
    if (host->accel == VM_ACCEL_KVM && jail_files_add(files, JAIL_FILE_DEVICE, "/dev/kvm", err) < 0)
        return -1;
    return host->driver->files(host, files, err);
}

static void note_user(struct jail_report *report)
{
    if (geteuid() == 0)
        jail_report_active(report, JAIL_OWN_USER);
    else
        jail_report_missing(report, JAIL_OWN_USER, "only a worker that runs as root can change the user");
}

static void find_cgroups(struct jail *jail)
{
    static const enum jail_protection protections[CGROUP_CONTROLLERS] = {[CGROUP_MEMORY] = JAIL_MEMORY_LIMIT,
                                                                         [CGROUP_PIDS] = JAIL_PROCESS_LIMIT,
                                                                         [CGROUP_CPU] = JAIL_CPU_LIMIT};
    char why[CGROUP_CONTROLLERS][200];
    cgroup_base_open(&jail->cgroups, why);
    for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
        if (why[i][0])
            jail_report_missing(&jail->report, protections[i], "%s", why[i]);
        else
            jail_report_active(&jail->report, protections[i]);
    }
}

struct jail *jail_make(const struct vm_host *host, struct pe_error *err)
{
    struct jail *jail = calloc(1, sizeof *jail);
    if (!jail) {
        pe_fail_errno(err, "out of memory for a jail");
        return NULL;
    }
    jail->root = jail->empty_root = -1;
    jail->cgroups = CGROUP_BASE_NONE;
    if (find_files(host, &jail->files, err) < 0) {
        jail_free(jail);
        return NULL;
    }
    note_user(&jail->report);
    try_namespaces(jail);
    make_root(jail, host);
    note_landlock(&jail->report, JAIL_FILES, LANDLOCK_FILES);
    note_landlock(&jail->report, JAIL_TCP, LANDLOCK_TCP);
    note_landlock(&jail->report, JAIL_DEVICES, LANDLOCK_DEVICES);
    note_landlock(&jail->report, JAIL_SCOPE, LANDLOCK_SCOPE);
    note_filter(&jail->report, &jail->files);
    find_cgroups(jail);
    return jail;
}

void jail_free(struct jail *jail)
{
    if (!jail)
        return;
    if (jail->root >= 0)
        close(jail->root);
    if (jail->empty_root >= 0)
        close(jail->empty_root);
    cgroup_base_close(&jail->cgroups);
    jail_files_free(&jail->files);
    free(jail);
}
