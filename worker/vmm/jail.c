/* SPDX-License-Identifier: Apache-2.0 */
/* Finding out what the host can give. Everything is tried rather than deduced from capabilities and
 * versions, because containers and security modules deny more than these say. How a VMM enters the
 * jail is in process.c. */
#include "worker/vmm/jail.h"

#include "base/cleanup.h"
#include "worker/vmm/driver.h"
#include "worker/vmm/jail_root.h"
#include "worker/vmm/landlock.h"
#include "worker/vmm/syscall_filter.h"

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

/* Whether clone(2) allows these flags. Returns 0, or -1 with errno. */
static int try_clone(int flags)
{
    int status = 0;
    pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0);
    if (pid == 0)
        _exit(0);
    if (pid < 0)
        return -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return 0;
}

static void try_namespaces(struct jail *jail)
{
    for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++) {
        if (try_clone(namespaces[i].flag) == 0) {
            jail->namespaces |= namespaces[i].flag;
            jail_report_active(&jail->report, namespaces[i].protection);
        } else {
            jail_report_missing(&jail->report, namespaces[i].protection,
                                "clone failed: %s; the worker needs CAP_SYS_ADMIN", strerror(errno));
        }
    }
}

/* ---- the root directory ---- */

/* Whether a new process can move there. Returns 0, or -1 with errno. */
static int try_root(const struct jail *jail, int root, const char *run_dir)
{
    int status = 0;
    pid_t pid = (pid_t)syscall(SYS_clone, (jail->namespaces & ~CLONE_NEWNS) | SIGCHLD, NULL, NULL, NULL, 0);
    if (pid == 0)
        _exit(jail_root_enter(root, run_dir, -1, "") < 0 ? errno : 0);
    if (pid < 0)
        return -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
    return errno ? -1 : 0;
}

static void make_root(struct jail *jail, const char *run_dir)
{
    struct pe_error err;
    const int needed = CLONE_NEWNS | CLONE_NEWPID;
    if ((jail->namespaces & needed) != needed) {
        jail_report_missing(&jail->report, JAIL_ROOT, "it needs a mount namespace and a PID namespace");
        return;
    }
    pe_autoclose int root = jail_root_build(&jail->files, run_dir, &err);
    if (root < 0) {
        jail_report_missing(&jail->report, JAIL_ROOT, "%.190s", err.message);
    } else if (try_root(jail, root, run_dir) < 0) {
        jail_report_missing(&jail->report, JAIL_ROOT,
                            "cannot move to it: %s; the worker needs CAP_SYS_ADMIN and CAP_SYS_CHROOT",
                            strerror(errno));
    } else {
        jail->root = pe_steal_fd(&root);
        jail_report_active(&jail->report, JAIL_ROOT);
    }
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

static void note_filter(struct jail_report *report)
{
    static const struct syscall_list nothing;
    struct syscall_filter filter;
    struct pe_error err;
    if (syscall_filter_make(&nothing, &filter, &err) < 0)
        jail_report_missing(report, JAIL_SYSTEM_CALLS, "%.190s", err.message);
    else if (filter.count == 0)
        jail_report_missing(report, JAIL_SYSTEM_CALLS, "the kernel has no seccomp filters");
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

struct jail *jail_make(const struct vm_host *host, struct pe_error *err)
{
    struct jail *jail = calloc(1, sizeof *jail);
    if (!jail) {
        pe_fail_errno(err, "cannot allocate a jail");
        return NULL;
    }
    jail->root = -1;
    if (find_files(host, &jail->files, err) < 0) {
        jail_free(jail);
        return NULL;
    }
    note_user(&jail->report);
    try_namespaces(jail);
    make_root(jail, host->run_dir);
    note_landlock(&jail->report, JAIL_FILES, LANDLOCK_FILES);
    note_landlock(&jail->report, JAIL_TCP, LANDLOCK_TCP);
    note_landlock(&jail->report, JAIL_DEVICES, LANDLOCK_DEVICES);
    note_landlock(&jail->report, JAIL_SCOPE, LANDLOCK_SCOPE);
    note_filter(&jail->report);
    for (int i = JAIL_MEMORY_LIMIT; i < JAIL_PROTECTION_COUNT; i++)
        jail_report_missing(&jail->report, i, "this worker does not set it up yet");
    return jail;
}

void jail_free(struct jail *jail)
{
    if (!jail)
        return;
    if (jail->root >= 0)
        close(jail->root);
    jail_files_free(&jail->files);
    free(jail);
}
