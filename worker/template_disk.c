/* SPDX-License-Identifier: Apache-2.0 */
/* Templates as files: loading, storing and eviction. When a template is made is decided in
 * worker/template_cache.c. */
#include "worker/template_disk.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "worker/template_key.h"
#include "worker/vmm/sparse_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Prefix of an unfinished template. The PID of the process that writes it follows. */
#define UNFINISHED ".new-"

uint64_t template_disk_bytes(const struct vm_snapshot *snapshot)
{
    struct stat memory = {0}, state = {0};
    if (fstat(snapshot->memory_fd, &memory) < 0 || fstat(snapshot->state_fd, &state) < 0)
        return 0;
    return ((uint64_t)memory.st_blocks + (uint64_t)state.st_blocks) * 512;
}

static int load_file(int folder, const char *name, int *memory, struct pe_error *err)
{
    pe_autoclose int file = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return pe_fail_errno(err, "cannot open the file %s of a template", name);
    *memory = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*memory < 0)
        return pe_fail_errno(err, "cannot create a memfd for a template");
    if (sparse_copy(file, *memory, "a template", err) < 0)
        return -1;
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED); /* the page cache would be a second copy in memory */
    if (fcntl(*memory, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        return pe_fail_errno(err, "cannot seal a template");
    return 0;
}

int template_disk_load(const struct worker_config *config, const char *key, struct vm_snapshot *snapshot,
                       struct pe_error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", config->templates.dir, key);
    *snapshot = VM_SNAPSHOT_NONE;
    pe_autoclose int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 && errno == ENOENT)
        return pe_fail(err, PE_ERR_NOT_FOUND, "there is no template %s", path);
    if (folder < 0)
        return pe_fail_errno(err, "cannot open %s", path);
    if (load_file(folder, "memory", &snapshot->memory_fd, err) < 0 ||
        load_file(folder, "state", &snapshot->state_fd, err) < 0) {
        vm_snapshot_close(snapshot);
        return pe_fail_context(err, "cannot load the template %s", path);
    }
    futimens(folder, NULL); /* eviction goes by the time of the last use */
    return 0;
}

static int store_file(int folder, const char *name, int from, struct pe_error *err)
{
    pe_autoclose int file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return pe_fail_errno(err, "cannot create the file %s of a template", name);
    if (sparse_copy(from, file, "a template", err) < 0)
        return -1;
    if (fsync(file) < 0)
        return pe_fail_errno(err, "cannot write the file %s of a template", name);
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    return 0;
}

/* Needs no descriptor, so that it also works when there are none left. */
static void remove_template(int directory, const char *name)
{
    static const char *const files[] = {"memory", "state"};
    char path[NAME_MAX + 16];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", name, files[i]);
        unlinkat(directory, path, 0);
    }
    unlinkat(directory, name, AT_REMOVEDIR);
}

/* Returns the bytes of all templates, and in `oldest` the least recently used one, which is not
 * `keep`. */
static uint64_t survey(int directory, const char *keep, char oldest[TEMPLATE_KEY_SIZE])
{
    uint64_t bytes = 0;
    struct timespec since = {0};
    oldest[0] = '\0';
    pe_autoclose int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pe_autodir DIR *list = copy < 0 ? NULL : fdopendir(copy);
    if (!list)
        return 0;
    pe_steal_fd(&copy); /* `list` closes it */
    for (struct dirent *entry; (entry = readdir(list));) {
        char path[NAME_MAX + 16];
        struct stat memory, folder;
        snprintf(path, sizeof path, "%s/memory", entry->d_name);
        if (strlen(entry->d_name) != TEMPLATE_KEY_SIZE - 1 || fstatat(directory, path, &memory, 0) < 0 ||
            fstatat(directory, entry->d_name, &folder, 0) < 0)
            continue;
        bytes += (uint64_t)memory.st_blocks * 512;
        bool older = !oldest[0] || folder.st_mtim.tv_sec < since.tv_sec;
        if (older && strcmp(entry->d_name, keep) != 0) {
            since = folder.st_mtim;
            memcpy(oldest, entry->d_name, TEMPLATE_KEY_SIZE);
        }
    }
    return bytes;
}

static void evict(const struct worker_config *config, int directory, const char *keep)
{
    char oldest[TEMPLATE_KEY_SIZE];
    while (survey(directory, keep, oldest) > config->templates.mib << 20 && oldest[0]) {
        pe_log(PE_LOG_INFO, "template %.12s makes room: the templates exceed %llu MiB (--templates)", oldest,
               (unsigned long long)config->templates.mib);
        remove_template(directory, oldest);
    }
}

/* Fill the folder `unfinished`, and give it the name `key`. */
static int write_template(int directory, const char *unfinished, const char *key,
                          const struct vm_snapshot *snapshot, struct pe_error *err)
{
    pe_autoclose int folder = openat(directory, unfinished, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return pe_fail_errno(err, "cannot open the folder of a new template");
    if (store_file(folder, "memory", snapshot->memory_fd, err) < 0 ||
        store_file(folder, "state", snapshot->state_fd, err) < 0)
        return -1;
    remove_template(directory, key); /* a template that could not be loaded */
    return fsync(folder) == 0 && renameat(directory, unfinished, directory, key) == 0
               ? 0
               : pe_fail_errno(err, "cannot rename a new template");
}

int template_disk_store(const struct worker_config *config, const char *key,
                        const struct vm_snapshot *snapshot, struct pe_error *err)
{
    char unfinished[40];
    snprintf(unfinished, sizeof unfinished, UNFINISHED "%d", (int)getpid());
    pe_autoclose int directory = open(config->templates.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 || mkdirat(directory, unfinished, 0700) < 0)
        return pe_fail_errno(err, "cannot create a template in %s", config->templates.dir);
    if (write_template(directory, unfinished, key, snapshot, err) < 0) {
        remove_template(directory, unfinished);
        return pe_fail_context(err, "%s", config->templates.dir);
    }
    if (fsync(directory) < 0)
        return pe_fail_errno(err, "cannot write the folder %s", config->templates.dir);
    evict(config, directory, key);
    return 0;
}

void template_disk_remove(const struct worker_config *config, const char *key)
{
    pe_autoclose int directory = open(config->templates.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory >= 0)
        remove_template(directory, key);
}

void template_disk_sweep(const struct worker_config *config)
{
    pe_autodir DIR *list = opendir(config->templates.dir);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        bool unfinished = !strncmp(entry->d_name, UNFINISHED, strlen(UNFINISHED));
        long owner = unfinished ? strtol(entry->d_name + strlen(UNFINISHED), NULL, 10) : 0;
        if (unfinished && (owner <= 0 || kill((pid_t)owner, 0) < 0))
            remove_template(dirfd(list), entry->d_name);
    }
}
