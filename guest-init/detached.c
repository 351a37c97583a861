/* SPDX-License-Identifier: Apache-2.0 */
/* Making and moving detached mounts. guest-init/job_mounts.c and guest-init/case_root.c say which. */
#include "guest-init/detached.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

int detached_mount(const char *type, const struct detached_option *options, size_t count, uint64_t attributes,
                   struct pe_error *err)
{
    pe_autoclose int context = fsopen(type, FSOPEN_CLOEXEC);
    if (context < 0)
        return pe_fail_errno(err, "cannot open the file system %s", type);
    for (size_t i = 0; i < count; i++)
        if (fsconfig(context, FSCONFIG_SET_STRING, options[i].key, options[i].value, 0) < 0)
            return pe_fail_errno(err, "cannot set the option %s=%s of a file system %s", options[i].key,
                                 options[i].value, type);
    int mount = fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0
                    ? -1
                    : fsmount(context, FSMOUNT_CLOEXEC, (unsigned)attributes);
    return mount < 0 ? pe_fail_errno(err, "cannot mount a file system %s", type) : mount;
}

int detached_clone(int folder, int recursive, uint64_t attributes, struct pe_error *err)
{
    const unsigned below = recursive ? AT_RECURSIVE : 0;
    struct mount_attr attr = {.attr_set = attributes};
    pe_autoclose int tree =
        open_tree(folder, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | below);
    if (tree < 0 || (attributes && mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0))
        return pe_fail_errno(err, "cannot copy the mount of a folder");
    return pe_steal_fd(&tree);
}

int detached_place(int root, const char *name, struct pe_error *err)
{
    const struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                                 .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};
    int place = (int)syscall(SYS_openat2, root, name, &how, sizeof how);
    return place >= 0 ? place
                      : pe_fail_errno(err, "cannot open /%s of the image, which has to be a directory", name);
}

int detached_attach(int root, const char *name, int mount, struct pe_error *err)
{
    pe_autoclose int place = detached_place(root, name, err);
    if (place < 0)
        return -1;
    if (move_mount(mount, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return pe_fail_errno(err, "cannot mount /%s", name);
    return 0;
}
