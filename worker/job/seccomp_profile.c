/* SPDX-License-Identifier: Apache-2.0 */
/* The seccomp profile of every job. System calls that change the kernel, its clocks, its devices or
 * other namespaces fail with EPERM; all others are allowed. The VM is the security boundary. This
 * profile makes it harder for a job to take over the guest's kernel. It holds for 64-bit and for 32-bit
 * system calls: a call of an architecture that is not listed would kill the process. libseccomp skips the
 * names that an architecture does not have. */
#include "worker/job/seccomp_profile.h"

#include "proto/job_spec.h"

#include <stddef.h>

static const char *const denied[] = {
    /* kernel, modules, power */
    "init_module", "finit_module", "delete_module", "create_module", "get_kernel_syms", "query_module",
    "kexec_load", "kexec_file_load", "reboot", "acct", "swapon", "swapoff", "quotactl", "nfsservctl",
    "syslog", "_sysctl", "sysfs", "uselib", "ustat", "lookup_dcookie", "vm86", "vm86old",
    /* mounts and namespaces */
    "mount", "umount", "umount2", "pivot_root", "mount_setattr", "move_mount", "open_tree", "fsopen",
    "fsconfig", "fsmount", "fspick", "setns", "unshare", "open_by_handle_at", "name_to_handle_at",
    /* clocks */
    "settimeofday", "clock_settime", "clock_settime64", "clock_adjtime", "clock_adjtime64", "adjtimex",
    "stime",
    /* devices, tracing, and large kernel interfaces that ordinary programs do not use */
    "iopl", "ioperm", "bpf", "perf_event_open", "fanotify_init", "userfaultfd", "kcmp", "io_uring_setup",
    "io_uring_enter", "io_uring_register", "add_key", "request_key", "keyctl", "get_mempolicy",
    "set_mempolicy", "mbind", "move_pages", "migrate_pages", "vhangup", "pidfd_getfd"};

/* In a new user namespace a process may use many more kernel interfaces, so clone(2) with
 * CLONE_NEWUSER is denied. The flags of clone3(2) are in memory, where a filter cannot see them;
 * ENOSYS makes libc use clone.
 *
 * The limits and the scheduling of PID 1 cannot be changed. That is pe-shim, which has the user ID of the
 * program: the kernel kills even a PID 1 that reaches its limit of CPU time, and one with another policy
 * could not watch a stage any more. A process number has 32 bits.
 */
static json_t *rules_for_arguments(void)
{
    const long long new_user = 0x10000000, pid_bits = 0xffffffff;
    return json_pack("[{s:[s], s:s, s:i, s:[{s:i, s:I, s:I, s:s}]}, {s:[s, s, s, s, s], s:s, s:i, s:[{s:i, "
                     "s:I, s:I, s:s}]},"
                     " {s:[s], s:s, s:i}]",
                     "names", "clone", "action", "SCMP_ACT_ERRNO", "errnoRet", 1, "args", "index", 0, "value",
                     (json_int_t)new_user, "valueTwo", (json_int_t)new_user, "op", "SCMP_CMP_MASKED_EQ",
                     "names", "prlimit64", "sched_setaffinity", "sched_setattr", "sched_setparam",
                     "sched_setscheduler", "action", "SCMP_ACT_ERRNO", "errnoRet", 1, "args", "index", 0,
                     "value", (json_int_t)pid_bits, "valueTwo", (json_int_t)1, "op", "SCMP_CMP_MASKED_EQ",
                     "names", "clone3", "action", "SCMP_ACT_ERRNO", "errnoRet", 38);
}

static json_t *names_of_denied(void)
{
    pe_autojson json_t *names = json_array();
    for (size_t i = 0; i < sizeof denied / sizeof *denied; i++)
        if (json_array_append_new(names, json_string(denied[i])) < 0)
            return NULL;
    return json_incref(names);
}

json_t *seccomp_profile(void)
{
    pe_autojson json_t *rules = rules_for_arguments();
    json_t *rule =
        json_pack("{s:o, s:s, s:i}", "names", names_of_denied(), "action", "SCMP_ACT_ERRNO", "errnoRet", 1);
    if (json_array_append_new(rules, rule) < 0)
        return NULL;
    return json_pack("{s:s, s:[s, s], s:O}", "defaultAction", "SCMP_ACT_ALLOW", "architectures",
                     "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "syscalls", rules);
}
