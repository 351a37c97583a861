/* SPDX-License-Identifier: Apache-2.0 */
/* Change settings of the kernel: what runs for a core file or a missing module, what happens after an error,
 * the next process number, the host name, the boot id.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    static const char *const names[] = {"kernel/core_pattern",
                                        "kernel/modprobe",
                                        "kernel/hotplug",
                                        "kernel/sysrq",
                                        "kernel/panic",
                                        "kernel/panic_on_oops",
                                        "kernel/ns_last_pid",
                                        "kernel/pid_max",
                                        "kernel/hostname",
                                        "kernel/random/boot_id",
                                        "kernel/usermodehelper/bset",
                                        "kernel/threads-max",
                                        "vm/overcommit_memory",
                                        "vm/drop_caches",
                                        "vm/panic_on_oom",
                                        "vm/max_map_count",
                                        "fs/file-max",
                                        "fs/binfmt_misc/register",
                                        "fs/suid_dumpable",
                                        "fs/protected_symlinks",
                                        "fs/mount-max",
                                        "net/ipv4/ip_forward",
                                        "user/max_user_namespaces"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "/proc/sys/%s", names[i]);
        must_not_open(path, O_WRONLY);
        must_fail(path, truncate(path, 0));
        must_fail(path, unlink(path));
    }
    return held();
}
