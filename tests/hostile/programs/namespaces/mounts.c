/* SPDX-License-Identifier: Apache-2.0 */
/* Change mounts, with the old and the new system calls.
 *
 * engines: each
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sys/mount.h>

int main(void)
{
    struct mount_attr attributes = {.attr_clr = MOUNT_ATTR_RDONLY};
    must_fail("tmpfs", mount("none", "/tmp", "tmpfs", 0, NULL));
    must_fail("proc", mount("none", "/tmp", "proc", 0, NULL));
    must_fail("cgroup2", mount("none", "/tmp", "cgroup2", 0, NULL));
    must_fail("devtmpfs", mount("none", "/tmp", "devtmpfs", 0, NULL));
    must_fail("a bind mount", mount("/", "/tmp", NULL, MS_BIND | MS_REC, NULL));
    must_fail("a writable /proc/sys", mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
    must_fail("a writable /sys", mount(NULL, "/sys", NULL, MS_REMOUNT, NULL));
    must_fail("shared mounts", mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL));
    must_fail("moving /work", mount("/work", "/tmp", NULL, MS_MOVE, NULL));
    must_fail("umount", umount2("/proc", MNT_DETACH));
    must_fail("umount of a mask", umount2("/proc/kcore", 0));
    must_fail("fsopen", fsopen("tmpfs", 0));
    must_fail("fspick", fspick(AT_FDCWD, "/", 0));
    must_fail("open_tree", open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE));
    must_fail("move_mount", move_mount(AT_FDCWD, "/work", AT_FDCWD, "/tmp", 0));
    must_fail("mount_setattr", mount_setattr(AT_FDCWD, "/input", 0, &attributes, sizeof attributes));
    must_fail("pivot_root", syscall(SYS_pivot_root, "/tmp", "/tmp"));
    return held();
}
