/* SPDX-License-Identifier: Apache-2.0 */
/* The steps in their order: user, capabilities, no_new_privs, Landlock, seccomp. Which rights remain is
 * decided by the callers. */
#include "worker/vmm/rights.h"

#include "base/child.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEPT_FD 3

int rights_close_others(int *kept, struct pe_error *err)
{
    if (*kept != KEPT_FD && dup3(*kept, KEPT_FD, O_CLOEXEC) < 0)
        return pe_fail_errno(err, "cannot renumber a socket of the worker");
    if (close_range(KEPT_FD + 1, ~0u, 0) < 0)
        return pe_fail_errno(err, "cannot close the descriptors of the worker");
    *kept = KEPT_FD;
    return 0;
}

/* A worker without root has capabilities as well, in a user namespace (worker/vmm/user_namespace.h). */
static int drop_capabilities(struct pe_error *err)
{
    static const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    return syscall(SYS_capset, &header, none) == 0 ? 0 : pe_fail_errno(err, "cannot drop capabilities");
}

static int become_user(const struct rights *rights, struct pe_error *err)
{
    for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; capability++)
        ;
    if (geteuid() != 0)
        return drop_capabilities(err);
    if (setgroups(0, NULL) < 0 || setresgid(rights->gid, rights->gid, rights->gid) < 0 ||
        setresuid(rights->uid, rights->uid, rights->uid) < 0)
        return pe_fail_errno(err, "cannot become user %u", (unsigned)rights->uid);
    return drop_capabilities(err);
}

int rights_drop(const struct rights *rights, pid_t parent, const char *what, struct pe_error *err)
{
    struct syscall_filter filter = {.count = 0};
    if (syscall_filter_make(rights->syscalls, &filter, err) < 0 || become_user(rights, err) < 0)
        return -1;
    /* A change of user clears the signal. */
    if (pe_child_die_with(parent) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "the parent process of %s has ended", what);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        landlock_confine_reader(&rights->files) < 0 || syscall_filter_install(&filter) < 0)
        return pe_fail_errno(err, "cannot confine %s", what);
    return 0;
}
