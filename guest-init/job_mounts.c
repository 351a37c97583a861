/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting into a container from outside. Detached mounts (open_tree(2), fsmount(2)) are made here
 * and then moved to their places from inside the container's mount namespace. No user's program has
 * run at that time, but the root of the container is an untrusted image, so its paths are resolved
 * without following symlinks. */
#include "guest-init/job_mounts.h"

#include "base/cleanup.h"
#include "guest-init/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int clone_tree(const char *path, uint64_t attributes, struct pe_error *err)
{
    struct mount_attr attr = {.attr_set = attributes};
    pe_autoclose int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return pe_fail_errno(err, "taking %s as a mount", path);
    return pe_steal_fd(&tree);
}

static int set(int context, const char *key, const char *value, struct pe_error *err)
{
    if (fsconfig(context, FSCONFIG_SET_STRING, key, value, 0) < 0)
        return pe_fail_errno(err, "overlay for /work: %s", key);
    return 0;
}

static int make_work(uint64_t attributes, struct pe_error *err)
{
    pe_autoclose int context = fsopen("overlay", FSOPEN_CLOEXEC);
    /* Every user of the image may write to /work and /output. The root of an overlay has the mode
     * of its upper directory. */
    if (context < 0 || mkdir(SCRATCH_WORK_UPPER, 0755) < 0 || chmod(SCRATCH_WORK_UPPER, 0777) < 0 ||
        mkdir(SCRATCH_WORK_WORK, 0755) < 0)
        return pe_fail_errno(err, "overlay for /work");
    if (set(context, "source", "overlay", err) < 0 || set(context, "lowerdir", GUEST_JOB "/dir", err) < 0 ||
        set(context, "upperdir", SCRATCH_WORK_UPPER, err) < 0 ||
        set(context, "workdir", SCRATCH_WORK_WORK, err) < 0)
        return -1;
    int mount = fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0
                    ? -1
                    : fsmount(context, FSMOUNT_CLOEXEC, (unsigned)attributes);
    return mount < 0 ? pe_fail_errno(err, "making the overlay for /work") : mount;
}

static int make_output(uint64_t attributes, struct pe_error *err)
{
    if (mkdir(SCRATCH_OUTPUT, 0755) < 0 || chmod(SCRATCH_OUTPUT, 0777) < 0)
        return pe_fail_errno(err, "making " SCRATCH_OUTPUT);
    return clone_tree(SCRATCH_OUTPUT, attributes, err);
}

/* Open the folder that is the mount point, and make it if the image does not have it. */
static int open_place(int root, const char *name, struct pe_error *err)
{
    const struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                                 .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};
    if (mkdirat(root, name, 0755) < 0 && errno != EEXIST)
        return pe_fail_errno(err, "making /%s in the image", name);
    int place = (int)syscall(SYS_openat2, root, name, &how, sizeof how);
    return place >= 0 ? place : pe_fail_errno(err, "/%s of the image is no directory", name);
}

static int attach(int root, const char *name, int mount, struct pe_error *err)
{
    pe_autoclose int place = open_place(root, name, err);
    if (place < 0)
        return -1;
    if (move_mount(mount, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return pe_fail_errno(err, "mounting /%s", name);
    return 0;
}

/* Enter a mount namespace. setns(2) changes the root and the working directory of the caller to the
 * root of that namespace; `root` undoes this if it is not -1. */
static int enter(int namespace, int root, struct pe_error *err)
{
    if (setns(namespace, CLONE_NEWNS) < 0)
        return pe_fail_errno(err, "changing the mount namespace");
    if (root >= 0 && (fchdir(root) < 0 || chroot(".") < 0))
        return pe_fail_errno(err, "going back to pe-init's root");
    return 0;
}

int job_mounts_inside(int pidfd, int (*action)(void *context, struct pe_error *err), void *context,
                      struct pe_error *err)
{
    struct pe_error way_back;
    pe_autoclose int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    pe_autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (own < 0 || root < 0)
        return pe_fail_errno(err, "opening pe-init's own mount namespace");
    if (enter(pidfd, -1, err) < 0)
        return -1;
    int failed = action(context, err);
    if (enter(own, root, &way_back) < 0) {
        *err = way_back;
        return -1;
    }
    return failed;
}

struct folders {
    int input, work, output; /* detached mounts */
};

static int attach_all(void *context, struct pe_error *err)
{
    const struct folders *folders = context;
    pe_autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return pe_fail_errno(err, "opening the container's root");
    if (attach(root, "input", folders->input, err) < 0 || attach(root, "work", folders->work, err) < 0)
        return -1;
    return attach(root, "output", folders->output, err);
}

int job_mounts_attach(int pidfd, struct pe_error *err)
{
    static const uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    pe_autoclose int input = clone_tree(GUEST_JOB "/dir", attributes | MOUNT_ATTR_RDONLY, err);
    pe_autoclose int work = input < 0 ? -1 : make_work(attributes, err);
    pe_autoclose int output = work < 0 ? -1 : make_output(attributes, err);
    struct folders folders = {input, work, output};
    return output < 0 ? -1 : job_mounts_inside(pidfd, attach_all, &folders, err);
}
