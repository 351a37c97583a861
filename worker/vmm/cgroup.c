/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the worker's cgroup, and creating and removing those of VMMs. Their names are
 * pe-vm-<pid of the owner>-<random>, so one whose owner no longer exists can be recognised. */
#include "worker/vmm/cgroup.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "pe-vm-"
#define LEAF "pe-worker" /* where the worker itself is under cgroup v2 */
#define PERIOD_US 100000u
#define REMOVE_TRIES 100
#define FILE_MAX (1u << 20)

static const char *const controllers[CGROUP_CONTROLLERS] = {"memory", "pids", "cpu"};

/* ---- finding the worker's own cgroup ---- */

/* Whether a comma-separated list has a word. */
static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += length)
        if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

static int read_text(const char *path, struct pe_buf *text)
{
    struct pe_error ignored;
    return pe_read_file(AT_FDCWD, path, FILE_MAX, text, &ignored) < 0 ||
                   pe_buf_append(text, "", 1, &ignored) < 0
               ? -1
               : 0;
}

/* Copy the path of this process's cgroup from /proc/self/cgroup: lines of "ID:CONTROLLERS:PATH". The
 * line of cgroup v2 has no controllers. */
static int own_path(const char *controller, char path[PATH_MAX])
{
    pe_autobuf struct pe_buf text = {0};
    char *rest = NULL;
    if (read_text("/proc/self/cgroup", &text) < 0)
        return -1;
    for (char *line = strtok_r((char *)text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *list = strchr(line, ':'), *where = list ? strchr(list + 1, ':') : NULL;
        if (!where)
            continue;
        *where = '\0';
        if (controller ? !has_word(list + 1, controller) : list[1] != '\0')
            continue;
        snprintf(path, PATH_MAX, "%s", where + 1);
        return 0;
    }
    return -1;
}

/* One line of /proc/self/mountinfo (proc(5)): "ID PARENT DEVICE ROOT POINT OPTIONS [FIELDS] - TYPE
 * SOURCE SUPER_OPTIONS". Returns whether it is the hierarchy of `controller`, or cgroup v2 if that is
 * NULL. `root` and `point` then point into the line. */
static bool is_hierarchy(char *line, const char *controller, char **root, char **point)
{
    char *fields[5], *rest = NULL;
    char *end = strstr(line, " - ");
    if (!end)
        return false;
    *end = '\0';
    for (size_t i = 0; i < 5; i++)
        if (!(fields[i] = strtok_r(i ? NULL : line, " ", &rest)))
            return false;
    *root = fields[3];
    *point = fields[4];
    char *type = strtok_r(end + 3, " ", &rest), *source = strtok_r(NULL, " ", &rest);
    char *options = strtok_r(NULL, " ", &rest);
    if (!type || !source || !options)
        return false;
    return controller ? !strcmp(type, "cgroup") && has_word(options, controller) : !strcmp(type, "cgroup2");
}

/* Write the folder of this process's cgroup to `folder`. In a container the mount shows only a part of
 * the hierarchy, whose path is the mount's root. */
static int own_folder(const char *controller, char folder[PATH_MAX])
{
    pe_autobuf struct pe_buf text = {0};
    char *rest = NULL, *root = NULL, *point = NULL, path[PATH_MAX];
    if (own_path(controller, path) < 0 || read_text("/proc/self/mountinfo", &text) < 0)
        return -1;
    for (char *line = strtok_r((char *)text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (!is_hierarchy(line, controller, &root, &point))
            continue;
        size_t above = strcmp(root, "/") ? strlen(root) : 0;
        bool below = !strncmp(path, root, above) && (path[above] == '/' || path[above] == '\0');
        snprintf(folder, PATH_MAX, "%s%s", point, below ? path + above : "");
        return 0;
    }
    return -1;
}

/* ---- files of a cgroup ---- */

static int write_file(int folder, const char *name, const char *text)
{
    pe_autoclose int fd = openat(folder, name, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

static int open_folder(int at, const char *path)
{
    return openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Without a limit of its own, swap would not be limited at all under cgroup v2, and only by its size under
 * v1. The number is for swap under v2, and for memory and swap together under v1. A kernel that does not
 * count swap (swapaccount=0) has no such file. */
static int write_memory_limits(int folder, bool unified, uint64_t bytes)
{
    char text[64];
    snprintf(text, sizeof text, "%llu", (unsigned long long)bytes);
    if (write_file(folder, unified ? "memory.max" : "memory.limit_in_bytes", text) < 0)
        return -1;
    if (write_file(folder, unified ? "memory.swap.max" : "memory.memsw.limit_in_bytes", text) < 0)
        return errno == ENOENT ? 0 : -1;
    return 0;
}

static int write_limit(int folder, enum cgroup_controller controller, bool unified,
                       const struct cgroup_limits *limits)
{
    char text[64];
    switch (controller) {
    case CGROUP_MEMORY:
        return write_memory_limits(folder, unified, limits->memory_bytes);
    case CGROUP_PIDS:
        snprintf(text, sizeof text, "%u", limits->processes);
        return write_file(folder, "pids.max", text);
    default:
        snprintf(text, sizeof text, unified ? "%u %u" : "%u", limits->cpus * PERIOD_US, PERIOD_US);
        return write_file(folder, unified ? "cpu.max" : "cpu.cfs_quota_us", text);
    }
}

/* ---- the base ---- */

static bool owner_lives(const char *name)
{
    long pid = strtol(name + strlen(PREFIX), NULL, 10);
    return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

static void sweep_folder(int folder)
{
    pe_autoclose int own = open_folder(folder, ".");
    pe_autodir DIR *list = own >= 0 ? fdopendir(own) : NULL;
    if (!list)
        return;
    pe_steal_fd(&own); /* `list` closes it */
    for (struct dirent *entry; (entry = readdir(list));)
        if (!strncmp(entry->d_name, PREFIX, strlen(PREFIX)) && !owner_lives(entry->d_name))
            unlinkat(folder, entry->d_name, AT_REMOVEDIR);
}

static void make_name(char name[CGROUP_NAME_MAX])
{
    char number[13];
    pe_random_hex(number, 6);
    snprintf(name, CGROUP_NAME_MAX, PREFIX "%d-%s", (int)getpid(), number);
}

/* Whether a cgroup with a limit can be made. Returns 0, or -1 with errno. */
static int try_one(int folder, enum cgroup_controller controller, bool unified)
{
    static const struct cgroup_limits plenty = {.memory_bytes = 1ull << 30, .processes = 64, .cpus = 1};
    char name[CGROUP_NAME_MAX];
    make_name(name);
    if (mkdirat(folder, name, 0755) < 0)
        return -1;
    int made = open_folder(folder, name);
    int failed = made < 0 || write_limit(made, controller, unified, &plenty) < 0;
    int error = errno;
    if (made >= 0)
        close(made);
    unlinkat(folder, name, AT_REMOVEDIR);
    errno = error;
    return failed ? -1 : 0;
}

/* Let the cgroups below `folder` have limits. They cannot while a process is in `folder`, so this process
 * moves to a cgroup below, and back if that does not help: another process may be there. Returns 0, or -1
 * with errno. */
static int delegate_v2(int folder, const char *wanted)
{
    if (write_file(folder, "cgroup.subtree_control", wanted) == 0)
        return 0;
    if (mkdirat(folder, LEAF, 0755) < 0 && errno != EEXIST)
        return -1;
    if (write_file(folder, LEAF "/cgroup.procs", "0") == 0 &&
        write_file(folder, "cgroup.subtree_control", wanted) == 0)
        return 0;
    int error = errno;
    if (write_file(folder, "cgroup.procs", "0") == 0)
        unlinkat(folder, LEAF, AT_REMOVEDIR);
    errno = error;
    return -1;
}

/* Open the worker's cgroup of v2, which is above the one that an earlier call has moved it to. */
static int open_v2(void)
{
    char folder[PATH_MAX];
    if (own_folder(NULL, folder) < 0) {
        errno = ENOENT;
        return -1;
    }
    char *slash = strrchr(folder, '/');
    if (slash && !strcmp(slash + 1, LEAF))
        *slash = '\0';
    return open_folder(AT_FDCWD, folder);
}

static bool v2_has(int folder, const char *controller)
{
    char text[512] = "";
    pe_autoclose int fd = openat(folder, "cgroup.controllers", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    for (ssize_t i = 0; i < n; i++)
        if (text[i] == ' ' || text[i] == '\n')
            text[i] = ',';
    return n > 0 && has_word(text, controller);
}

static int open_v1(const char *controller)
{
    char folder[PATH_MAX];
    if (own_folder(controller, folder) < 0) {
        errno = ENOENT;
        return -1;
    }
    return open_folder(AT_FDCWD, folder);
}

static void open_one(struct cgroup_base *base, enum cgroup_controller controller, int v2, int v2_error,
                     char why[200])
{
    bool unified = v2 >= 0 && v2_has(v2, controllers[controller]);
    pe_autoclose int folder = unified ? open_folder(v2, ".") : open_v1(controllers[controller]);
    why[0] = '\0';
    if (folder >= 0 && !(unified && v2_error) && try_one(folder, controller, unified) == 0) {
        base->unified[controller] = unified;
        base->folders[controller] = pe_steal_fd(&folder);
        return;
    }
    int error = unified && v2_error ? v2_error : errno;
    if (folder < 0)
        snprintf(why, 200, "there is no cgroup controller '%s'", controllers[controller]);
    else if (error == EBUSY)
        snprintf(
            why, 200,
            "other processes are in the worker's cgroup; start it in one of its own, as a systemd unit with "
            "Delegate=yes does");
    else
        snprintf(why, 200, "cannot create a cgroup with the controller '%s': %s", controllers[controller],
                 strerror(error));
}

void cgroup_base_open(struct cgroup_base *base, char why[CGROUP_CONTROLLERS][200])
{
    *base = CGROUP_BASE_NONE;
    pe_autoclose int v2 = open_v2();
    char wanted[64] = "";
    for (int i = 0; i < CGROUP_CONTROLLERS; i++)
        if (v2 >= 0 && v2_has(v2, controllers[i]))
            snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "+%s ", controllers[i]);
    int v2_error = wanted[0] && delegate_v2(v2, wanted) < 0 ? errno : 0;
    for (int i = 0; i < CGROUP_CONTROLLERS; i++)
        open_one(base, i, v2, v2_error, why[i]);
}

void cgroup_sweep(const struct cgroup_base *base)
{
    for (int i = 0; i < CGROUP_CONTROLLERS; i++)
        if (base->folders[i] >= 0)
            sweep_folder(base->folders[i]);
}

void cgroup_base_close(struct cgroup_base *base)
{
    for (int i = 0; i < CGROUP_CONTROLLERS; i++)
        if (base->folders[i] >= 0)
            close(base->folders[i]);
    *base = CGROUP_BASE_NONE;
}

/* ---- the cgroups of a VM ---- */

/* Several controllers of v2 share a folder. */
static int make_one(const struct cgroup_base *base, enum cgroup_controller controller,
                    const struct cgroup_limits *limits, const char *name)
{
    if (base->folders[controller] < 0)
        return 0;
    if (mkdirat(base->folders[controller], name, 0755) < 0 && !(base->unified[controller] && errno == EEXIST))
        return -1;
    pe_autoclose int folder = open_folder(base->folders[controller], name);
    return folder < 0 ? -1 : write_limit(folder, controller, base->unified[controller], limits);
}

int cgroup_make(const struct cgroup_base *base, const struct cgroup_limits *limits,
                char name[CGROUP_NAME_MAX], struct pe_error *err)
{
    bool any = false;
    make_name(name);
    for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
        any |= base->folders[i] >= 0;
        if (make_one(base, i, limits, name) == 0)
            continue;
        pe_fail_errno(err, "cannot create the cgroup %s with the controller '%s'", name, controllers[i]);
        cgroup_remove(base, name);
        return -1;
    }
    if (!any)
        name[0] = '\0';
    return 0;
}

int cgroup_entry_open(const struct cgroup_base *base, const char *name, struct cgroup_entry *entry,
                      struct pe_error *err)
{
    char path[CGROUP_NAME_MAX + 16];
    *entry = CGROUP_ENTRY_NONE;
    snprintf(path, sizeof path, "%s/tasks", name);
    for (int i = 0; name[0] && i < CGROUP_CONTROLLERS; i++) {
        if (base->folders[i] < 0 || (base->unified[i] && entry->unified >= 0))
            continue;
        int fd = base->unified[i] ? open_folder(base->folders[i], name)
                                  : openat(base->folders[i], path, O_WRONLY | O_CLOEXEC);
        *(base->unified[i] ? &entry->unified : &entry->members[i]) = fd;
        if (fd >= 0)
            continue;
        pe_fail_errno(err, "cannot open the cgroup %s", name);
        cgroup_entry_close(entry);
        return -1;
    }
    return 0;
}

void cgroup_entry_close(struct cgroup_entry *entry)
{
    if (entry->unified >= 0)
        close(entry->unified);
    for (int i = 0; i < CGROUP_CONTROLLERS; i++)
        if (entry->members[i] >= 0)
            close(entry->members[i]);
    *entry = CGROUP_ENTRY_NONE;
}

/* A write to cgroup.procs takes milliseconds, in which the kernel waits until no thread forks or ends. It
 * does not wait if a thread moves itself by writing 0 to `tasks`, and this process has only one (since
 * Linux 5.6, cgroup_procs_write_start in kernel/cgroup/cgroup.c). */
int cgroup_enter(const struct cgroup_entry *entry)
{
    for (int i = 0; i < CGROUP_CONTROLLERS; i++)
        if (entry->members[i] >= 0 && write(entry->members[i], "0", 1) != 1)
            return -1;
    return 0;
}

void cgroup_remove(const struct cgroup_base *base, char name[CGROUP_NAME_MAX])
{
    static const struct timespec pause = {.tv_nsec = 2000000};
    for (int i = 0; name[0] && i < CGROUP_CONTROLLERS; i++)
        for (int try = 0; base->folders[i] >= 0 && try < REMOVE_TRIES; try++) {
            if (unlinkat(base->folders[i], name, AT_REMOVEDIR) == 0 || errno != EBUSY)
                break;
            nanosleep(&pause, NULL);
        }
    name[0] = '\0';
}
