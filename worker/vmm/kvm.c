/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at /dev/kvm, /proc/cpuinfo and the modules of the kernel. Whether a VM runs is tried in
 * worker/vmm/probe.c. */
#include "worker/vmm/kvm.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CPUINFO_MAX (4u << 20)

static bool can_access(const char *top, const char *path, int mode)
{
    char whole[PATH_MAX];
    snprintf(whole, sizeof whole, "%s%s", top, path);
    return access(whole, mode) == 0;
}

bool kvm_is_pvm(const char *top)
{
    return can_access(top, "/sys/module/kvm_pvm", F_OK);
}

bool kvm_cpu_has_vms(const char *top)
{
    char path[PATH_MAX];
    pe_autobuf struct pe_buf info = {0};
    struct pe_error ignored;
    snprintf(path, sizeof path, "%s/proc/cpuinfo", top);
    if (pe_read_file(AT_FDCWD, path, CPUINFO_MAX, &info, &ignored) < 0)
        return false;
    return memmem(info.data, info.size, " vmx ", 5) || memmem(info.data, info.size, " svm ", 5) ||
           !memmem(info.data, info.size, "\nflags", 6);
}

/* A VMM of root runs as another user, and keeps the group of /dev/kvm, unless that is root's. */
static bool is_open_to_vmms(const char *top)
{
    struct stat device;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/dev/kvm", top);
    return geteuid() != 0 || stat(path, &device) < 0 || device.st_gid != 0 || (device.st_mode & 06) == 06;
}

int kvm_check(const char *top, bool own_kernel, struct pe_error *err)
{
    if (!can_access(top, "/dev/kvm", F_OK))
        return pe_fail(err, PE_ERR_NOT_FOUND,
                       "there is no /dev/kvm; switch virtualization on in the firmware, or nested "
                       "virtualization if this is a VM, and load kvm_intel or kvm_amd");
    if (!can_access(top, "/dev/kvm", R_OK | W_OK))
        return pe_fail(err, PE_ERR_INVALID,
                       "/dev/kvm cannot be opened; add this user to the group of the device");
    if (kvm_is_pvm(top) && !own_kernel)
        return pe_fail(err, PE_ERR_INVALID,
                       "the KVM of this host is PVM (/sys/module/kvm_pvm), where a stock guest kernel cannot "
                       "run; --kernel with a kernel that has CONFIG_PVM_GUEST makes the KVM engines usable");
    if (!kvm_is_pvm(top) && !kvm_cpu_has_vms(top))
        return pe_fail(err, PE_ERR_INVALID,
                       "/proc/cpuinfo has neither vmx nor svm; use a host whose processor has one");
    if (!is_open_to_vmms(top))
        return pe_fail(
            err, PE_ERR_INVALID,
            "/dev/kvm belongs to no group that a VMM could have; `chgrp kvm /dev/kvm` and `chmod 660 "
            "/dev/kvm` change that");
    return 0;
}
