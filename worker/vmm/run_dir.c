/* SPDX-License-Identifier: Apache-2.0 */
/* Creating and removing the folders of VMs. Their names are vm-<pid of the owner>-<random>, so a
 * folder whose owner no longer exists can be recognised and removed. */
#include "worker/vmm/run_dir.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "vm-"

int run_dir_make(const struct vm_host *host, struct vm *vm, struct pe_error *err)
{
    char number[13];
    pe_random_hex(number, 6);
    int length =
        snprintf(vm->run_dir, sizeof vm->run_dir, "%s/" PREFIX "%d-%s", host->run_dir, (int)getpid(), number);
    if (length < 0 || (size_t)length >= sizeof vm->run_dir) {
        vm->run_dir[0] = '\0';
        return pe_fail(err, PE_ERR_TOO_LARGE, "the path %s is too long for a socket below it; use --run-dir",
                       host->run_dir);
    }
    if (mkdir(vm->run_dir, 0700) == 0 && (geteuid() != 0 || chown(vm->run_dir, host->uid, host->gid) == 0))
        return 0;
    return pe_fail_errno(err, "cannot create the folder %s for a VM", vm->run_dir);
}

/* ---- what the VMM has made ---- */

static int refuse(const char *name, mode_t kind, struct pe_error *err)
{
    return pe_fail(err, PE_ERR_INTERNAL, "%s in the folder of a VM is not a %s of its own", name,
                   kind == S_IFSOCK ? "socket" : "file");
}

static int check_kind(int fd, mode_t kind, const char *name, struct pe_error *err)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return pe_fail_errno(err, "cannot examine %s in the folder of a VM", name);
    return (status.st_mode & S_IFMT) == kind && status.st_nlink == 1 ? 0 : refuse(name, kind, err);
}

static int fail_to_open(const char *name, mode_t kind, struct pe_error *err)
{
    if (errno == ELOOP)
        return refuse(name, kind, err);
    bool missing = errno == ENOENT;
    pe_fail_errno(err, "cannot open %s in the folder of a VM", name);
    err->kind = missing ? PE_ERR_NOT_FOUND : PE_ERR_INTERNAL;
    return -1;
}

int run_dir_open_file(const char *folder, const char *name, struct pe_error *err)
{
    pe_autoclose int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pe_autoclose int fd =
        at < 0 ? -1 : openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return fail_to_open(name, S_IFREG, err);
    return check_kind(fd, S_IFREG, name, err) < 0 ? -1 : pe_steal_fd(&fd);
}

int run_dir_open_socket(const char *path, struct pe_error *err)
{
    pe_autoclose int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return fail_to_open(path, S_IFSOCK, err);
    return check_kind(fd, S_IFSOCK, path, err) < 0 ? -1 : pe_steal_fd(&fd);
}

void run_dir_socket_address(int fd, char address[RUN_DIR_ADDRESS_MAX])
{
    snprintf(address, RUN_DIR_ADDRESS_MAX, "/proc/self/fd/%d", fd);
}

/* ---- the end of a folder ---- */

static bool is_dots(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..");
}

/* Move everything in the folder `name` of `at` to `at` itself, under new names. Returns how much that was. */
static unsigned empty_into(int at, const char *name)
{
    unsigned moved = 0;
    pe_autoclose int below = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    pe_autodir DIR *folder = below < 0 ? NULL : fdopendir(below);
    if (!folder)
        return 0;
    const int from = pe_steal_fd(&below); /* `folder` closes it */
    for (struct dirent *entry; (entry = readdir(folder));) {
        char new_name[16];
        pe_random_hex(new_name, 7);
        if (!is_dots(entry->d_name))
            moved += renameat(from, entry->d_name, at, new_name) == 0;
    }
    return moved;
}

/* Returns whether that made progress. */
static bool remove_entry(int at, const char *name)
{
    if (unlinkat(at, name, 0) == 0 || unlinkat(at, name, AT_REMOVEDIR) == 0)
        return true;
    (void)!fchmodat(at, name, 0700, AT_SYMLINK_NOFOLLOW);
    unsigned moved = empty_into(at, name);
    return unlinkat(at, name, AT_REMOVEDIR) == 0 || moved > 0;
}

/* A VMM can nest folders deeper than a path can be long, so no path is made and nothing recurs: each pass
 * brings the folders one level up. */
static void remove_folder(const char *path)
{
    bool progress = true;
    while (rmdir(path) < 0 && (errno == ENOTEMPTY || errno == EEXIST) && progress) {
        progress = false;
        DIR *folder = opendir(path);
        for (struct dirent *entry; folder && (entry = readdir(folder));)
            if (!is_dots(entry->d_name))
                progress |= remove_entry(dirfd(folder), entry->d_name);
        if (folder)
            closedir(folder);
    }
}

void run_dir_remove(struct vm *vm)
{
    if (vm->run_dir[0])
        remove_folder(vm->run_dir);
    vm->run_dir[0] = '\0';
}

static int owner_lives(const char *name)
{
    long pid = strtol(name + strlen(PREFIX), NULL, 10);
    return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

void run_dir_sweep(const char *run_dir)
{
    DIR *folder = opendir(run_dir);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char path[512];
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0 || owner_lives(entry->d_name))
            continue;
        snprintf(path, sizeof path, "%s/%s", run_dir, entry->d_name);
        remove_folder(path);
    }
    if (folder)
        closedir(folder);
}
