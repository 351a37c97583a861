/* SPDX-License-Identifier: Apache-2.0 */
/* Fresh files for each case. All mounts are made detached first, so that a failure leaves nothing behind.
 *
 * While a case runs, the old root is mounted at /proc of the new one, below the mount of proc. A program
 * cannot get there: it would have to unmount proc, which needs a capability that no container has. */
#include "guest-init/case_root.h"

#include "base/cleanup.h"
#include "guest-init/detached.h"
#include "guest-init/ipc.h"
#include "guest-init/job_mounts.h"
#include "guest-init/layout.h"
#include "guest-init/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Folders of the container that stay what they are, with all mounts below them. */
enum { PROC, DEV, SYS, INPUT, KEPT_COUNT };
static const char *const kept_names[KEPT_COUNT] = {"proc", "dev", "sys", "input"};

/* Detached mounts. */
struct case_mounts {
    int old_root; /* borrowed */
    int root, work, shm;
    int kept[KEPT_COUNT];
};

static void close_mounts(struct case_mounts *mounts)
{
    pe_cleanup_close(&mounts->root);
    pe_cleanup_close(&mounts->work);
    pe_cleanup_close(&mounts->shm);
    for (int i = 0; i < KEPT_COUNT; i++)
        pe_cleanup_close(&mounts->kept[i]);
}

/* ---- making them ---- */

static int make_tmpfs(const char *mode, uint64_t bytes, uint64_t attributes, struct pe_error *err)
{
    char size[24];
    snprintf(size, sizeof size, "%llu", (unsigned long long)bytes);
    const struct detached_option options[] = {
        {"source", "tmpfs"}, {"mode", mode}, {"size", size}, {"nr_inodes", MOUNTS_SCRATCH_INODES}};
    return detached_mount("tmpfs", options, sizeof options / sizeof *options,
                          attributes | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
}

/* Make the upper and the work directory of an overlay. The root of an overlay is like its upper directory. */
static int make_layers(const char *upper, const char *work, const struct stat *like, struct pe_error *err)
{
    if (mkdir(upper, 0700) < 0 || mkdir(work, 0700) < 0 || chown(upper, like->st_uid, like->st_gid) < 0 ||
        chmod(upper, like->st_mode & 07777) < 0)
        return pe_fail_errno(err, "cannot make %s", upper);
    return 0;
}

static int make_overlay(const char *lower, const char *upper, const char *work, uint64_t attributes,
                        struct pe_error *err)
{
    struct stat like;
    const struct detached_option options[] = {
        {"source", "overlay"}, {"lowerdir", lower}, {"upperdir", upper}, {"workdir", work}};
    if (stat(lower, &like) < 0)
        return pe_fail_errno(err, "cannot read the attributes of %s", lower);
    if (make_layers(upper, work, &like, err) < 0)
        return -1;
    return detached_mount("overlay", options, sizeof options / sizeof *options, attributes, err);
}

/* /output is in the overlay of the root, so it is discarded as well. */
static int make_output(struct pe_error *err)
{
    static const char output[] = CASE_ROOT_UPPER "/output";
    return mkdir(output, 0755) < 0 || chmod(output, 0777) < 0 ? pe_fail_errno(err, "cannot make %s", output)
                                                              : 0;
}

static int make_overlays(struct case_mounts *mounts, struct pe_error *err)
{
    mounts->root = make_overlay(CASE_LOWER_ROOT, CASE_ROOT_UPPER, CASE_ROOT_WORK, MOUNT_ATTR_NODEV, err);
    if (mounts->root < 0 || make_output(err) < 0)
        return -1;
    mounts->work = make_overlay(CASE_LOWER_WORK, CASE_WORK_UPPER, CASE_WORK_WORK,
                                MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, err);
    return mounts->work < 0 ? -1 : 0;
}

/* The tmpfs is at GUEST_CASE only while the overlays are made, which keep it. */
static int make_writable(struct case_mounts *mounts, uint64_t bytes, struct pe_error *err)
{
    pe_autoclose int scratch = make_tmpfs("0755", bytes, 0, err);
    if (scratch < 0)
        return -1;
    if ((mkdir(GUEST_CASE, 0755) < 0 && errno != EEXIST) ||
        move_mount(scratch, "", AT_FDCWD, GUEST_CASE, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return pe_fail_errno(err, "cannot mount " GUEST_CASE);
    int failed = make_overlays(mounts, err);
    if (umount2(GUEST_CASE, MNT_DETACH) < 0)
        return pe_fail_errno(err, "cannot unmount " GUEST_CASE);
    return failed;
}

/* ---- in the mount namespace of the container ---- */

static int clone_kept(struct case_mounts *mounts, struct pe_error *err)
{
    for (int i = 0; i < KEPT_COUNT; i++) {
        pe_autoclose int folder = detached_place(mounts->old_root, kept_names[i], err);
        if (folder < 0)
            return -1;
        mounts->kept[i] = detached_clone(folder, 1, i == DEV ? MOUNT_ATTR_RDONLY : 0, err);
        if (mounts->kept[i] < 0)
            return -1;
    }
    return 0;
}

/* Mount the new root upon the old one, and exchange them. The old one then is at /proc. */
static int exchange_roots(const struct case_mounts *mounts, struct pe_error *err)
{
    if (move_mount(mounts->root, "", mounts->old_root, "",
                   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return pe_fail_errno(err, "cannot mount the root of a case");
    if (fchdir(mounts->root) < 0 || syscall(SYS_pivot_root, ".", "proc") < 0) {
        pe_fail_errno(err, "cannot change to the root of a case");
        umount2("/", MNT_DETACH);
        return -1;
    }
    return 0;
}

static int attach_rest(const struct case_mounts *mounts, struct pe_error *err)
{
    for (int i = 0; i < KEPT_COUNT; i++)
        if (i != PROC && detached_attach(mounts->root, kept_names[i], mounts->kept[i], err) < 0)
            return -1;
    if (detached_attach(mounts->root, "work", mounts->work, err) < 0)
        return -1;
    return detached_attach(mounts->root, "dev/shm", mounts->shm, err);
}

/* Whatever is mounted below it goes with it. */
static int bring_back(int old_root, struct pe_error *err)
{
    if (fchdir(old_root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
        return pe_fail_errno(err, "cannot change back to the root of the container");
    return 0;
}

/* The mount of proc covers the old root, so it is the first to come and the last to go. */
static int enter(void *context, struct pe_error *err)
{
    struct pe_error ignored;
    struct case_mounts *mounts = context;
    if (clone_kept(mounts, err) < 0 || exchange_roots(mounts, err) < 0)
        return -1;
    const bool covered = detached_attach(mounts->root, kept_names[PROC], mounts->kept[PROC], err) == 0;
    if (covered && attach_rest(mounts, err) == 0)
        return 0;
    if (covered)
        umount2("/proc", MNT_DETACH);
    int failed = bring_back(mounts->old_root, &ignored);
    (void)failed; /* the first error is the one to report */
    return -1;
}

static int leave(void *context, struct pe_error *err)
{
    const struct case_root *files = context;
    if (umount2("/proc", MNT_DETACH) < 0)
        return pe_fail_errno(err, "cannot uncover the root of the container");
    return bring_back(files->root, err);
}

/* ---- for supervise.c ---- */

/* Detached copies of two mounts of the container. The kernel makes an overlay only of folders that are in the
 * mount namespace of the caller. */
struct lower_mounts {
    int root, work;
};

static int clone_lower(void *context, struct pe_error *err)
{
    struct lower_mounts *lower = context;
    pe_autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return pe_fail_errno(err, "cannot open the root of the container");
    pe_autoclose int work = detached_place(root, "work", err);
    if (work < 0)
        return -1;
    lower->root = detached_clone(root, 0, 0, err);
    lower->work = lower->root < 0 ? -1 : detached_clone(work, 0, 0, err);
    return lower->work < 0 ? -1 : 0;
}

static int attach_lower(int mount, const char *path, struct pe_error *err)
{
    if ((mkdir(path, 0755) < 0 && errno != EEXIST) ||
        move_mount(mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return pe_fail_errno(err, "cannot mount %s", path);
    return 0;
}

/* Once, before the first case. */
static int open_container(struct case_root *files, const struct case_user *user, struct pe_error *err)
{
    char path[32];
    struct lower_mounts lower = {-1, -1};
    if (files->root >= 0)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/root", (int)user->shim);
    pe_autoclose int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return pe_fail_errno(err, "cannot open the root of the container");
    int failed = job_mounts_inside(user->pidfd, clone_lower, &lower, err) < 0 ||
                 attach_lower(lower.root, CASE_LOWER_ROOT, err) < 0 ||
                 attach_lower(lower.work, CASE_LOWER_WORK, err) < 0;
    pe_cleanup_close(&lower.root);
    pe_cleanup_close(&lower.work);
    if (!failed)
        files->root = pe_steal_fd(&root);
    return failed ? -1 : 0;
}

int case_root_enter(struct case_root *files, const struct case_user *user, struct pe_error *err)
{
    __attribute__((cleanup(close_mounts))) struct case_mounts mounts = {
        .root = -1, .work = -1, .shm = -1, .kept = {-1, -1, -1, -1}};
    if (open_container(files, user, err) < 0 || ipc_clear(user->pidfd, err) < 0 ||
        make_writable(&mounts, user->scratch_bytes, err) < 0)
        return -1;
    mounts.old_root = files->root;
    mounts.shm = make_tmpfs("1777", user->scratch_bytes, MOUNT_ATTR_NOEXEC, err);
    if (mounts.shm < 0 || job_mounts_inside(user->pidfd, enter, &mounts, err) < 0)
        return -1;
    files->entered = true;
    return 0;
}

int case_root_leave(struct case_root *files, const struct case_user *user, struct pe_error *err)
{
    if (!files->entered)
        return 0;
    if (job_mounts_inside(user->pidfd, leave, files, err) < 0)
        return -1;
    files->entered = false;
    return 0;
}

void case_root_free(struct case_root *files)
{
    pe_cleanup_close(&files->root);
    *files = CASE_ROOT_NONE;
}
