/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting into a container from outside. Detached mounts (guest-init/detached.h) are made here and then
 * moved to their places from inside the container's mount namespace. No user's program has run at that time,
 * but the root of the container is an untrusted image. */
#include "guest-init/job_mounts.h"

#include "base/cleanup.h"
#include "guest-init/detached.h"
#include "guest-init/layout.h"
#include "proto/stage_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* A character device with the number 0 hides a file of the layers below
 * (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories"). */
static int hide_plan(const char *folder, struct pe_error *err)
{
    char path[64];
    snprintf(path, sizeof path, "%s/" PE_PLAN_FILE, folder);
    return mknod(path, S_IFCHR, 0) < 0 ? pe_fail_errno(err, "cannot hide the plan of the stages") : 0;
}

static bool has_plan(void)
{
    return access(GUEST_JOB "/dir/" PE_PLAN_FILE, F_OK) == 0;
}

static int clone_folder(const char *path, uint64_t attributes, struct pe_error *err)
{
    pe_autoclose int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return pe_fail_errno(err, "cannot open %s", path);
    return detached_clone(folder, 0, attributes, err);
}

/* The user's files, without the plan of stages. */
static int make_input(bool plan, uint64_t attributes, struct pe_error *err)
{
    static const struct detached_option layers = {"lowerdir", SCRATCH_INPUT_COVER ":" GUEST_JOB "/dir"};
    if (!plan)
        return clone_folder(GUEST_JOB "/dir", attributes, err);
    if (mkdir(SCRATCH_INPUT_COVER, 0755) < 0)
        return pe_fail_errno(err, "cannot make " SCRATCH_INPUT_COVER);
    return hide_plan(SCRATCH_INPUT_COVER, err) < 0 ? -1
                                                   : detached_mount("overlay", &layers, 1, attributes, err);
}

static int make_work(bool plan, uint64_t attributes, struct pe_error *err)
{
    static const struct detached_option layers[] = {{"source", "overlay"},
                                                    {"lowerdir", GUEST_JOB "/dir"},
                                                    {"upperdir", SCRATCH_WORK_UPPER},
                                                    {"workdir", SCRATCH_WORK_WORK}};
    if (plan && hide_plan(SCRATCH_WORK_UPPER, err) < 0)
        return -1;
    return detached_mount("overlay", layers, sizeof layers / sizeof *layers, attributes, err);
}

/* Make the folder if the image does not have it. */
static int attach(int root, const char *name, int mount, struct pe_error *err)
{
    if (detached_attach(root, name, mount, err) == 0)
        return 0;
    if (mkdirat(root, name, 0755) < 0 && errno != EEXIST)
        return pe_fail_errno(err, "cannot make /%s in the image", name);
    return detached_attach(root, name, mount, err);
}

/* Enter a mount namespace. setns(2) changes the root and the working directory of the caller to the
 * root of that namespace; `root` undoes this if it is not -1. */
static int enter(int namespace, int root, struct pe_error *err)
{
    if (setns(namespace, CLONE_NEWNS) < 0)
        return pe_fail_errno(err, "cannot change the mount namespace");
    if (root >= 0 && (fchdir(root) < 0 || chroot(".") < 0))
        return pe_fail_errno(err, "cannot go back to pe-init's root");
    return 0;
}

/* Of pe-init, and open as long as it runs. */
static struct {
    int namespace, root;
} own = {-1, -1};

int job_mounts_prepare(struct pe_error *err)
{
    own.namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    own.root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return own.namespace >= 0 && own.root >= 0
               ? 0
               : pe_fail_errno(err, "cannot open pe-init's own mount namespace");
}

int job_mounts_inside(int pidfd, int (*action)(void *context, struct pe_error *err), void *context,
                      struct pe_error *err)
{
    struct pe_error way_back;
    if (enter(pidfd, -1, err) < 0)
        return -1;
    int failed = action(context, err);
    if (enter(own.namespace, own.root, &way_back) < 0) {
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
        return pe_fail_errno(err, "cannot open the container's root");
    if (attach(root, "input", folders->input, err) < 0 || attach(root, "work", folders->work, err) < 0)
        return -1;
    return attach(root, "output", folders->output, err);
}

int job_mounts_attach(int pidfd, struct pe_error *err)
{
    static const uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    const bool plan = has_plan();
    pe_autoclose int input = make_input(plan, attributes | MOUNT_ATTR_RDONLY, err);
    pe_autoclose int work = input < 0 ? -1 : make_work(plan, attributes, err);
    pe_autoclose int output = work < 0 ? -1 : clone_folder(SCRATCH_OUTPUT, attributes, err);
    struct folders folders = {input, work, output};
    return output < 0 ? -1 : job_mounts_inside(pidfd, attach_all, &folders, err);
}
