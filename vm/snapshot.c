/* SPDX-License-Identifier: Apache-2.0 */
/* Writing and reading the folders of snapshots. */
#include "vm/snapshot.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "worker/vmm/sparse_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG "config.json"

static int make_path(const char *path, struct pe_error *err)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd >= 0 ? fd : pe_fail_errno(err, "cannot create %s", path);
}

static int make_file(const char *folder, const char *name, struct pe_error *err)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return make_path(path, err);
}

int snapshot_open_file(const char *folder, const char *name, struct pe_error *err)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : pe_fail_errno(err, "cannot open %s of a snapshot", path);
}

static int write_config(const char *folder, const struct vmconfig *config, struct pe_error *err)
{
    json_t *json = vmconfig_to_json(config);
    pe_autofree char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    json_decref(json);
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot encode the settings of a VM");
    pe_autoclose int fd = make_file(folder, CONFIG, err);
    return fd < 0 ? -1 : pe_write_all(fd, text, strlen(text), CONFIG, err);
}

static int copy(const char *from, const char *to, struct pe_error *err)
{
    pe_autoclose int source = open(from, O_RDONLY | O_CLOEXEC);
    if (source < 0)
        return pe_fail_errno(err, "cannot open %s", from);
    pe_autoclose int target = make_path(to, err);
    return target < 0 ? -1 : sparse_copy(source, target, from, err);
}

static int copy_disks(const char *folder, const struct vmconfig *config, struct pe_error *err)
{
    for (uint32_t i = 0; i < config->disk_count; i++) {
        char to[PATH_MAX + 32];
        snprintf(to, sizeof to, "%s/disk-%u", folder, i);
        if (!config->disks[i].readonly && copy(config->disks[i].path, to, err) < 0)
            return -1;
    }
    return 0;
}

static int fill(const char *folder, const struct vmconfig *config, struct vm_control *control,
                struct pe_error *err)
{
    struct pe_error ignored;
    const bool ran = !control->paused;
    if (write_config(folder, config, err) < 0)
        return -1;
    pe_autoclose int memory = make_file(folder, SNAPSHOT_MEMORY, err);
    pe_autoclose int state = memory < 0 ? -1 : make_file(folder, SNAPSHOT_STATE, err);
    if (state < 0 || vm_control_snapshot(control, memory, state, err) < 0)
        return -1;
    const int failed = copy_disks(folder, config, err);
    if (ran && vm_control_resume(control, failed ? &ignored : err) < 0)
        return -1;
    return failed;
}

static void remove_folder(const char *folder)
{
    static const char *const names[] = {CONFIG,   SNAPSHOT_MEMORY, SNAPSHOT_STATE, "disk-0",
                                        "disk-1", "disk-2",        "disk-3"};
    char path[PATH_MAX + 32];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

int snapshot_write(const char *folder, const struct vmconfig *config, struct vm_control *control,
                   struct pe_error *err)
{
    if (mkdir(folder, 0700) < 0)
        return errno == EEXIST ? pe_fail(err, PE_ERR_INVALID, "%s exists already", folder)
                               : pe_fail_errno(err, "cannot create the folder %s", folder);
    if (fill(folder, config, control, err) == 0)
        return 0;
    remove_folder(folder);
    return pe_fail_context(err, "cannot save the VM to %s", folder);
}

int snapshot_read(const char *folder, struct vmconfig *config, struct pe_error *err)
{
    char path[PATH_MAX + 32];
    pe_autobuf struct pe_buf text = {0};
    snprintf(path, sizeof path, "%s/" CONFIG, folder);
    if (pe_read_file(AT_FDCWD, path, 65536, &text, err) < 0)
        return pe_fail_context(err, "%s is not the folder of a snapshot", folder);
    json_t *json = json_loadb((const char *)text.data, text.size, 0, NULL);
    const int failed =
        json ? vmconfig_from_json(json, config, err) : pe_fail(err, PE_ERR_MALFORMED, "it is not JSON");
    json_decref(json);
    return failed ? pe_fail_context(err, "%s", path) : 0;
}

/* Writable disks are copied. The others are shared with the saved VM. */
void snapshot_own_disks(const struct place *place, const struct vmname *name, struct vmconfig *config)
{
    char target[PLACE_FILE_MAX];
    place_file(place, name, "", target);
    for (uint32_t i = 0; i < config->disk_count; i++)
        if (!config->disks[i].readonly)
            snprintf(config->disks[i].path, sizeof config->disks[i].path, "%s/disk-%u", target, i);
}

static int copy_disk(const char *from, const char *to, struct pe_error *err)
{
    char part[PATH_MAX + 8];
    snprintf(part, sizeof part, "%s.part", to);
    if (copy(from, part, err) < 0)
        return -1;
    return rename(part, to) == 0 ? 0 : pe_fail_errno(err, "cannot rename %s", part);
}

int snapshot_copy_disks(const char *folder, const struct vmconfig *config, struct pe_error *err)
{
    for (uint32_t i = 0; i < config->disk_count; i++) {
        char from[PATH_MAX + 32];
        snprintf(from, sizeof from, "%s/disk-%u", folder, i);
        if (!config->disks[i].readonly && copy_disk(from, config->disks[i].path, err) < 0)
            return -1;
    }
    return 0;
}
