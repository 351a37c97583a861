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

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder)
        closedir(folder);
    rmdir(path);
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
