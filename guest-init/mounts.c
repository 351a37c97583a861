/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of the guest, in the order in which they happen. The mounts of a job are never
 * unmounted, because its VM is thrown away. Those of a warm-up are, so that nothing of it remains.
 */
#include "guest-init/mounts.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/devices.h"
#include "guest-init/layout.h"
#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

/* Time limit for the devices to appear. The kernel attaches them asynchronously. */
#define DEVICES_TIMEOUT_US 20000000ull

#define RELEASE_TIMEOUT_US 10000000ull

/* The size of scratch until a job sets its own limit. */
#define SCRATCH_SIZE_DEFAULT PE_SCRATCH_BYTES_MAX

/* Room for the root directory and the boot id. */
#define IDENTITY_OPTIONS "mode=0755,size=8k,nr_inodes=2"
#define IDENTITY_FLAGS ((unsigned long)(MS_NOSUID | MS_NODEV | MS_NOEXEC))

/* The first bytes of a squashfs: the magic number of its superblock, little endian. */
#define SQUASHFS_MAGIC "hsqs"

struct mount_point {
    const char *source, *target, *type;
    unsigned long flags;
    const char *options;
};

static int make_directory(const char *path, struct pe_error *err)
{
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return pe_fail_errno(err, "cannot make directory %s", path);
    return 0;
}

static int mount_at(const struct mount_point *point, struct pe_error *err)
{
    int failed = mount(point->source, point->target, point->type, point->flags, point->options) < 0;
    if (failed && errno == ENOENT) { /* most targets are there already */
        if (make_directory(point->target, err) < 0)
            return -1;
        failed = mount(point->source, point->target, point->type, point->flags, point->options) < 0;
    }
    if (failed)
        return pe_fail_errno(err, "cannot mount %s at %s", point->source, point->target);
    return 0;
}

static int mount_all(const struct mount_point *points, size_t count, struct pe_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (mount_at(&points[i], err) < 0)
            return -1;
    return 0;
}

/* pivot_root(2) cannot leave the initramfs, because that root has no parent mount. So a bind mount
 * of the initramfs is moved on top of it. */
static int cover_initramfs(struct pe_error *err)
{
    static const struct mount_point cover = {"/", "/mnt", NULL, MS_BIND, NULL};
    /* PID 1 shares its root and working directory with kernel threads. setns(2) into a mount
     * namespace fails for a process that shares them. */
    if (unshare(CLONE_FS) < 0)
        return pe_fail_errno(err, "cannot unshare the root directory of pe-init");
    if (mount_at(&cover, err) < 0)
        return -1;
    if (chdir("/mnt") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0)
        return pe_fail_errno(err, "cannot move the root mount");
    if (chroot(".") < 0 || chdir("/") < 0)
        return pe_fail_errno(err, "cannot change the root directory of pe-init");
    return 0;
}

static int open_standard_descriptors(struct pe_error *err)
{
    int fd = -1;
    do {
        fd = open("/dev/null", O_RDWR);
        if (fd < 0)
            return pe_fail_errno(err, "cannot open /dev/null");
    } while (fd < STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
    return 0;
}

int mounts_machine(struct pe_error *err)
{
    static const unsigned long quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    static const struct mount_point machine[] = {
        {"devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755"},
        {"proc", "/proc", "proc", quiet, NULL},
        {"sysfs", "/sys", "sysfs", quiet, NULL},
        {"cgroup2", GUEST_CGROUP_ROOT, "cgroup2", quiet, NULL},
        {"tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755"},
        {"tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"},
    };
    static const struct mount_point identity = {"tmpfs", GUEST_IDENTITY, "tmpfs", IDENTITY_FLAGS | MS_RDONLY,
                                                IDENTITY_OPTIONS};
    if (cover_initramfs(err) < 0 || mount_all(machine, sizeof machine / sizeof *machine, err) < 0 ||
        open_standard_descriptors(err) < 0)
        return -1;
    if (make_directory("/run/pe", err) < 0)
        return -1;
    return mount_at(&identity, err);
}

int mounts_identity_writable(bool writable, struct pe_error *err)
{
    const unsigned long flags = IDENTITY_FLAGS | MS_REMOUNT | (writable ? 0 : MS_RDONLY);
    if (mount(NULL, GUEST_IDENTITY, NULL, flags, IDENTITY_OPTIONS) < 0)
        return pe_fail_errno(err, "cannot make " GUEST_IDENTITY " %s", writable ? "writable" : "read-only");
    return 0;
}

/* Polling is acceptable here: it happens once, before `ready`, and only netlink would tell of new
 * devices. */
static int wait_for_device(const char *path, struct pe_error *err)
{
    static const struct timespec pause = {.tv_nsec = 2000000};
    uint64_t deadline = pe_now_us() + DEVICES_TIMEOUT_US;
    while (access(path, F_OK) < 0) {
        if (pe_now_us() > deadline)
            return pe_fail(err, PE_ERR_NOT_FOUND, "device %s did not appear", path);
        nanosleep(&pause, NULL);
    }
    return 0;
}

int mounts_image(struct pe_error *err)
{
    const struct guest_devices *names = guest_devices();
    const char *const devices[] = {names->rootfs, names->input, names->output};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        if (wait_for_device(devices[i], err) < 0)
            return -1;
    const struct mount_point image = {names->rootfs, GUEST_IMAGE, "squashfs", MS_RDONLY | MS_NODEV, NULL};
    return mount_at(&image, err);
}

int mounts_has_squashfs(const char *path, struct pe_error *err)
{
    char magic[sizeof SQUASHFS_MAGIC - 1];
    pe_autoclose int device = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = device < 0 ? -1 : read(device, magic, sizeof magic);
    if (n < 0)
        return pe_fail_errno(err, "cannot read %s", path);
    return n == sizeof magic && memcmp(magic, SQUASHFS_MAGIC, sizeof magic) == 0;
}

int mounts_input(const char *device, struct pe_error *err)
{
    const struct mount_point input = {device, GUEST_JOB, "squashfs", MS_RDONLY | MS_NODEV | MS_NOSUID, NULL};
    return mount_at(&input, err);
}

/* True, after a pause, if a call has failed with EBUSY and should be repeated. The kernel releases
 * the open files and the mounts of a container shortly after its last process has ended. */
static int busy(int failed, uint64_t deadline_us)
{
    static const struct timespec pause = {.tv_nsec = 1000000};
    if (!failed || errno != EBUSY || pe_now_us() > deadline_us)
        return 0;
    nanosleep(&pause, NULL);
    return 1;
}

static int unmount(const char *path, struct pe_error *err)
{
    uint64_t deadline_us = pe_now_us() + RELEASE_TIMEOUT_US;
    int failed = 0;
    do
        failed = umount2(path, 0) < 0;
    while (busy(failed, deadline_us));
    return failed ? pe_fail_errno(err, "cannot unmount %s", path) : 0;
}

/* Opening a device with O_EXCL fails as long as a file system uses it. Closing the last descriptor
 * drops the page cache of the device. */
int mounts_input_drop(const char *path, struct pe_error *err)
{
    uint64_t deadline_us = pe_now_us() + RELEASE_TIMEOUT_US;
    pe_autoclose int device = -1;
    if (unmount(GUEST_JOB, err) < 0)
        return -1;
    do
        device = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
    while (busy(device < 0, deadline_us));
    return device < 0 ? pe_fail_errno(err, "cannot release %s", path) : 0;
}

static void scratch_options(char *options, size_t size, uint64_t bytes)
{
    snprintf(options, size, "mode=0755,size=%llu,nr_inodes=" MOUNTS_SCRATCH_INODES,
             (unsigned long long)(bytes ? bytes : SCRATCH_SIZE_DEFAULT));
}

/* The folders of a job, which does not have to wait for them then. Every user of the image may write to /work
 * and /output. The root of an overlay has the mode of its upper directory. */
static int make_folders(struct pe_error *err)
{
    if (make_directory(SCRATCH_WORK_UPPER, err) < 0 || make_directory(SCRATCH_WORK_WORK, err) < 0 ||
        make_directory(SCRATCH_OUTPUT, err) < 0)
        return -1;
    if (chmod(SCRATCH_WORK_UPPER, 0777) < 0 || chmod(SCRATCH_OUTPUT, 0777) < 0)
        return pe_fail_errno(err, "cannot let every user write to the folders of a job");
    return 0;
}

int mounts_scratch_cover(uint64_t bytes, struct pe_error *err)
{
    char options[96];
    scratch_options(options, sizeof options, bytes);
    const struct mount_point scratch = {"tmpfs", GUEST_SCRATCH, "tmpfs", MS_NODEV, options};
    return mount_at(&scratch, err) < 0 ? -1 : make_folders(err);
}

int mounts_scratch_uncover(struct pe_error *err)
{
    return unmount(GUEST_SCRATCH, err);
}

int mounts_scratch(uint64_t bytes, struct pe_error *err)
{
    static const struct mount_point root = {"overlay", GUEST_ROOTFS, "overlay", MS_NODEV,
                                            "lowerdir=" GUEST_IMAGE ",upperdir=" SCRATCH_ROOT_UPPER
                                            ",workdir=" SCRATCH_ROOT_WORK};
    if (mounts_scratch_cover(bytes, err) < 0 || make_directory(SCRATCH_ROOT_UPPER, err) < 0 ||
        make_directory(SCRATCH_ROOT_WORK, err) < 0)
        return -1;
    return mount_at(&root, err);
}

int mounts_rootfs_drop(struct pe_error *err)
{
    return unmount(GUEST_ROOTFS, err);
}

int mounts_scratch_drop(struct pe_error *err)
{
    return mounts_rootfs_drop(err) < 0 ? -1 : mounts_scratch_uncover(err);
}

int mounts_scratch_limit(uint64_t bytes, struct pe_error *err)
{
    char options[96];
    scratch_options(options, sizeof options, bytes);
    if (mount(NULL, GUEST_SCRATCH, NULL, MS_REMOUNT | MS_NODEV, options) < 0)
        return pe_fail_errno(err, "cannot limit scratch to %llu bytes", (unsigned long long)bytes);
    return 0;
}
