/* SPDX-License-Identifier: Apache-2.0 */
/* Each VMM gets a Landlock domain of its own before exec, so that all of its threads are inside.
 *
 * cloud-hypervisor can use Landlock itself (landlock_enable), but it adds a rule for every file
 * that it is given. The kernel refuses a rule for a memfd (EBADFD), and memfds are behind a VM's
 * devices. */
#include "worker/vmm/landlock.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From linux/landlock.h of Linux 6.2 (ABI 3). The headers of Debian 12 are older. */
#define ACCESS_FS_TRUNCATE (1ull << 14)

#define WRITING                                                                                       \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
     LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |       \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |    \
     LANDLOCK_ACCESS_FS_MAKE_SYM)
#define OF_A_FILE (LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_FS_TRUNCATE)

static uint64_t writing(long abi)
{
    return WRITING | (abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0) | (abi >= 3 ? ACCESS_FS_TRUNCATE : 0);
}

/* A file that does not exist needs no rule. */
static int allow(int ruleset, const char *path, uint64_t access)
{
    pe_autoclose int fd = open(path, O_PATH | O_CLOEXEC);
    const struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    return fd < 0 ? 0 : (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

int landlock_confine_writes(const char *folder)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return 0;
    const struct landlock_ruleset_attr attr = {.handled_access_fs = writing(abi)};
    pe_autoclose int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (ruleset < 0 || allow(ruleset, "/dev/kvm", writing(abi) & OF_A_FILE) < 0 ||
        allow(ruleset, "/dev/null", writing(abi) & OF_A_FILE) < 0 ||
        (folder[0] && allow(ruleset, folder, writing(abi)) < 0))
        return -1;
    return (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
}
