/* The guest's mounts, in the order in which they happen. Nothing is ever unmounted: the VM is thrown away. */
#include "guest-init/mounts.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

/* How long the devices may take to show up; the kernel attaches them asynchronously. */
#define DEVICES_TIMEOUT_US 20000000ull

/* Names in scratch: each costs about 1 KiB of kernel memory, which the container's cgroup pays for. */
#define SCRATCH_INODES "131072"

#define SCRATCH_ROOT_UPPER GUEST_SCRATCH "/root"
#define SCRATCH_ROOT_WORK GUEST_SCRATCH "/root.work"
#define SCRATCH_WORK_UPPER GUEST_SCRATCH "/work"
#define SCRATCH_WORK_WORK GUEST_SCRATCH "/work.work"
#define SCRATCH_OUTPUT GUEST_SCRATCH "/output"

struct mount_point {
    const char *source, *target, *type;
    unsigned long flags;
    const char *options;
};

static int make_directory(const char *path, struct pe_error *err)
{
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return pe_fail_errno(err, "making directory %s", path);
    return 0;
}

static int mount_at(const struct mount_point *point, struct pe_error *err)
{
    if (make_directory(point->target, err) < 0)
        return -1;
    if (mount(point->source, point->target, point->type, point->flags, point->options) < 0)
        return pe_fail_errno(err, "mounting %s at %s", point->source, point->target);
    return 0;
}

static int mount_all(const struct mount_point *points, size_t count, struct pe_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (mount_at(&points[i], err) < 0)
            return -1;
    return 0;
}

/* pivot_root(2) refuses to leave the initramfs, since that root has no parent mount. A bind mount of it,
 * moved on top of it, has one. */
static int cover_initramfs(struct pe_error *err)
{
    static const struct mount_point cover = {"/", "/mnt", NULL, MS_BIND, NULL};
    if (mount_at(&cover, err) < 0)
        return -1;
    if (chdir("/mnt") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0)
        return pe_fail_errno(err, "moving the root mount");
    if (chroot(".") < 0 || chdir("/") < 0)
        return pe_fail_errno(err, "changing root");
    return 0;
}

static int open_standard_descriptors(struct pe_error *err)
{
    int fd = -1;
    do {
        fd = open("/dev/null", O_RDWR);
        if (fd < 0)
            return pe_fail_errno(err, "opening /dev/null");
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
    if (cover_initramfs(err) < 0 || mount_all(machine, sizeof machine / sizeof *machine, err) < 0 ||
        open_standard_descriptors(err) < 0)
        return -1;
    return make_directory("/run/pe", err);
}

/* Asynchronous attachment offers nothing to block on without netlink; this happens once, before `ready`. */
static int wait_for_device(const char *path, struct pe_error *err)
{
    static const struct timespec pause = {.tv_nsec = 2000000};
    uint64_t deadline = pe_now_us() + DEVICES_TIMEOUT_US;
    while (access(path, F_OK) < 0) {
        if (pe_now_us() > deadline)
            return pe_fail(err, PE_ERR_NOT_FOUND, "device %s did not show up", path);
        nanosleep(&pause, NULL);
    }
    return 0;
}

static int mount_overlay(const char *lower, const char *upper, const char *work, const char *target,
                         struct pe_error *err)
{
    char options[512];
    if (make_directory(upper, err) < 0 || make_directory(work, err) < 0)
        return -1;
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work);
    const struct mount_point overlay = {"overlay", target, "overlay", MS_NODEV, options};
    return mount_at(&overlay, err);
}

int mounts_image(struct pe_error *err)
{
    static const char *const devices[] = {GUEST_ROOTFS_DEVICE, GUEST_INPUT_DEVICE, GUEST_OUTPUT_DEVICE};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        if (wait_for_device(devices[i], err) < 0)
            return -1;
    static const struct mount_point points[] = {
        {GUEST_ROOTFS_DEVICE, GUEST_IMAGE, "squashfs", MS_RDONLY | MS_NODEV, NULL},
        {"tmpfs", GUEST_SCRATCH, "tmpfs", MS_NODEV, "mode=0755,nr_inodes=" SCRATCH_INODES},
    };
    if (mount_all(points, sizeof points / sizeof *points, err) < 0)
        return -1;
    return mount_overlay(GUEST_IMAGE, SCRATCH_ROOT_UPPER, SCRATCH_ROOT_WORK, GUEST_ROOTFS, err);
}

int mounts_input(struct pe_error *err)
{
    static const struct mount_point input = {GUEST_INPUT_DEVICE, GUEST_JOB, "squashfs",
                                             MS_RDONLY | MS_NODEV | MS_NOSUID, NULL};
    return mount_at(&input, err);
}

static int limit_scratch(uint64_t bytes, struct pe_error *err)
{
    char options[96];
    snprintf(options, sizeof options, "size=%llu,nr_inodes=" SCRATCH_INODES, (unsigned long long)bytes);
    if (mount(NULL, GUEST_SCRATCH, NULL, MS_REMOUNT | MS_NODEV, options) < 0)
        return pe_fail_errno(err, "limiting scratch to %llu bytes", (unsigned long long)bytes);
    return 0;
}

int mounts_job(uint64_t scratch_bytes, struct pe_error *err)
{
    static const struct mount_point input = {GUEST_JOB "/dir", GUEST_INPUT, NULL, MS_BIND, NULL};
    static const struct mount_point output = {SCRATCH_OUTPUT, GUEST_OUTPUT, NULL, MS_BIND, NULL};
    if (limit_scratch(scratch_bytes, err) < 0 || mount_at(&input, err) < 0 ||
        mount_overlay(GUEST_INPUT, SCRATCH_WORK_UPPER, SCRATCH_WORK_WORK, GUEST_WORK, err) < 0 ||
        make_directory(SCRATCH_OUTPUT, err) < 0 || mount_at(&output, err) < 0)
        return -1;
    /* Whoever the image's user is: these two are the job's. */
    if (chmod(GUEST_WORK, 0777) < 0 || chmod(GUEST_OUTPUT, 0777) < 0)
        return pe_fail_errno(err, "opening " GUEST_WORK " to the image's user");
    return 0;
}
