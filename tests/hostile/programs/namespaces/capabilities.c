/* SPDX-License-Identifier: Apache-2.0 */
/* Get capabilities: set them, make them ambient, keep them, write them to a file that is then executed.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/xattr.h>

int main(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct all[2] = {{~0u, ~0u, ~0u}, {~0u, ~0u, ~0u}};
    const struct vfs_cap_data file = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
                                      .data = {{~0u, ~0u}, {~0u, ~0u}}};
    must_fail("capset", syscall(SYS_capset, &header, all));
    must_fail("an ambient capability", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0));
    must_fail("securebits", prctl(PR_SET_SECUREBITS, SECBIT_NO_CAP_AMBIENT_RAISE, 0, 0, 0));
    for (int i = 0; i <= CAP_LAST_CAP; i++) {
        if (i == CAP_SYS_ADMIN || i == CAP_NET_ADMIN || i == CAP_SYS_PTRACE || i == CAP_MKNOD ||
            i == CAP_SYS_CHROOT)
            must_fail("a capability in the bounding set", prctl(PR_CAPBSET_READ, i) == 1 ? 0 : -1);
    }
    close(open("/tmp/program", O_CREAT | O_WRONLY, 0700));
    must_fail("capabilities of a file",
              setxattr("/tmp/program", "security.capability", &file, sizeof file, 0));
    return held();
}
