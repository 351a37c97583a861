/* SPDX-License-Identifier: Apache-2.0 */
/* Building the root directory of VMMs, and moving into it. Which files it has is in jail_files.c.
 *
 *   /bin/…, /lib/…     the VMM's files, at the paths that they have on the host
 *   /dev               its devices
 *   /proc              procfs of the VMM's PID namespace, without all that is not a process
 *   RUN_DIR            the folder of the VM, if it has one */
#include "worker/vmm/jail_root.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- building, in a process of its own whose working directory is the new root ---- */

/* Create the folders above `path`, which is absolute, below the working directory. */
static int make_parents(const char *path, struct pe_error *err)
{
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path + 1);
    for (char *slash = strchr(part, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return pe_fail_errno(err, "cannot create the folder /%s in the root of VMMs", part);
        *slash = '/';
    }
    return 0;
}

static int make_folder(const char *path, struct pe_error *err)
{
    if (make_parents(path, err) < 0)
        return -1;
    return mkdir(path + 1, 0755) == 0 || errno == EEXIST
               ? 0
               : pe_fail_errno(err, "cannot create the folder %s in the root of VMMs", path);
}

static int make_file(const char *path, struct pe_error *err)
{
    if (make_parents(path, err) < 0)
        return -1;
    pe_autoclose int fd = open(path + 1, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
    return fd >= 0 ? 0 : pe_fail_errno(err, "cannot create %s in the root of VMMs", path);
}

/* In a user namespace, nobody may take MS_NOEXEC away from what the host mounted with it. */
static unsigned long mount_flags(const struct jail_file *file)
{
    struct statvfs there = {0};
    if (file->use == JAIL_FILE_DEVICE)
        return MS_RDONLY | MS_NOSUID | MS_NOEXEC; /* a device can be written to in spite of MS_RDONLY */
    const bool noexec = statvfs(file->path, &there) == 0 && (there.f_flag & ST_NOEXEC);
    return MS_RDONLY | MS_NOSUID | MS_NODEV | (noexec ? MS_NOEXEC : 0);
}

/* A file in a folder that was added before it is there already. */
static int add_file(const struct jail_file *file, struct pe_error *err)
{
    struct stat status;
    const char *target = file->path + 1;
    if (stat(target, &status) == 0)
        return 0;
    if (stat(file->path, &status) < 0)
        return pe_fail_errno(err, "cannot examine %s, which a VMM needs", file->path);
    if ((S_ISDIR(status.st_mode) ? make_folder(file->path, err) : make_file(file->path, err)) < 0)
        return -1;
    if (mount(file->path, target, NULL, MS_BIND, NULL) < 0 ||
        mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | mount_flags(file), NULL) < 0)
        return pe_fail_errno(err, "cannot mount %s in the root of VMMs", file->path);
    return 0;
}

static int fill(const struct jail_files *files, const char *run_dir, struct pe_error *err)
{
    for (size_t i = 0; i < files->count; i++)
        if (add_file(&files->items[i], err) < 0)
            return -1;
    if (make_folder(run_dir, err) < 0)
        return -1;
    return make_folder("/proc", err);
}

/* In a user namespace, the kernel lets a VMM mount a /proc only where one can be seen already. That of the
 * host lies below it, where nobody without capabilities can reach it. */
static int keep_processes(struct pe_error *err)
{
    if (geteuid() == 0 || mount("/proc", "proc", NULL, MS_BIND | MS_REC, NULL) == 0)
        return 0;
    return pe_fail_errno(err, "cannot mount /proc in the root of VMMs");
}

/* Put the working directory in the place of the root, and let go of the old one: pivot_root(2), which
 * describes this use of ".". */
static int become_root(struct pe_error *err)
{
    if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return pe_fail_errno(err, "cannot change the root directory");
    if (mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) < 0)
        return pe_fail_errno(err, "cannot make the root of VMMs read-only");
    return 0;
}

/* The new file system hides run_dir, but nobody else sees this mount namespace. */
static int build(const struct jail_files *files, const char *run_dir, struct pe_error *err)
{
    umask(022);
    if (unshare(CLONE_NEWNS) < 0)
        return pe_fail_errno(err, "cannot make a mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", run_dir, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=16m") < 0 || chdir(run_dir) < 0)
        return pe_fail_errno(err, "cannot mount a file system for the root of VMMs on %s", run_dir);
    if (fill(files, run_dir, err) < 0 || keep_processes(err) < 0)
        return -1;
    return become_root(err);
}

/* Report through the pipe, then stay until the parent has opened the namespace and kills us, or has itself
 * been killed. */
static void build_and_wait(const struct jail_files *files, const char *run_dir, pid_t parent, int report)
    __attribute__((noreturn));
static void build_and_wait(const struct jail_files *files, const char *run_dir, pid_t parent, int report)
{
    struct pe_error err = {0}, ignored;
    if (pe_child_die_with(parent) < 0)
        _exit(1);
    int failed = build(files, run_dir, &err);
    if (pe_write_all(report, failed ? err.message : "", failed ? strlen(err.message) + 1 : 1, "pipe",
                     &ignored) < 0)
        _exit(1);
    for (;;)
        pause();
}

static int open_namespace(pid_t pid, struct pe_error *err)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : pe_fail_errno(err, "cannot open %s", path);
}

int jail_root_build(const struct jail_files *files, const char *run_dir, struct pe_error *err)
{
    int ends[2], root = -1;
    const pid_t parent = getpid();
    if (pipe2(ends, O_CLOEXEC) < 0)
        return pe_fail_errno(err, "cannot create a pipe");
    pid_t pid = fork();
    if (pid == 0)
        build_and_wait(files, run_dir, parent, ends[1]);
    close(ends[1]);
    char message[PE_ERROR_MESSAGE_MAX] = "";
    ssize_t n = pid > 0 ? read(ends[0], message, sizeof message - 1) : 0;
    close(ends[0]);
    if (pid < 0)
        return pe_fail_errno(err, "cannot fork");
    if (n <= 0 || message[0])
        pe_fail(err, PE_ERR_INTERNAL, "%s", n > 0 ? message : "the process that builds it has ended");
    else
        root = open_namespace(pid, err);
    pe_child_kill(pid);
    return root;
}

/* ---- moving in ---- */

int jail_root_take(const char *folder)
{
    return open_tree(AT_FDCWD, folder, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

/* Mount an empty file system, in which the folder gets the name that it has on the host. */
static int put(int folder, const char *run_dir, const char *folder_path)
{
    if (mount("none", run_dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=4k,nr_inodes=4") <
            0 ||
        mkdir(folder_path, 0755) < 0)
        return -1;
    return move_mount(folder, "", AT_FDCWD, folder_path, MOVE_MOUNT_F_EMPTY_PATH);
}

/* subset=pid needs Linux 5.8. */
static int mount_processes(void)
{
    const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    return mount("proc", "/proc", "proc", flags, "hidepid=2,subset=pid");
}

int jail_root_enter_empty(int root)
{
    return fchdir(root) < 0 || chroot(".") < 0 ? -1 : 0;
}

int jail_root_make_empty(const char *run_dir, struct pe_error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/root-XXXXXX", run_dir);
    if (!mkdtemp(path))
        return pe_fail_errno(err, "cannot create a folder in %s for the root of VMMs", run_dir);
    pe_autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool prepared = fd >= 0 && fchmod(fd, 0555) == 0;
    const int cause = errno;
    const bool removed = rmdir(path) == 0;
    if (prepared && removed)
        return pe_steal_fd(&fd);
    errno = prepared ? errno : cause;
    return pe_fail_errno(err, "cannot prepare %s, the root of VMMs", path);
}

int jail_root_enter(int root, const char *run_dir, int folder, const char *folder_path)
{
    if (setns(root, CLONE_NEWNS) < 0 || unshare(CLONE_NEWNS) < 0 || mount_processes() < 0 ||
        (folder >= 0 && put(folder, run_dir, folder_path) < 0))
        return -1;
    return 0;
}
