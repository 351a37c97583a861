/* Choosing between KVM and software emulation. A /dev/kvm that opens proves nothing: paravirtual KVMs create
 * VMs and then emulate a stock kernel so slowly that it never reaches its init. So a VM has to get there
 * first. */
#include "base/cleanup.h"
#include "base/io.h"
#include "worker/vmm/vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A guest under a true KVM is there in about a second; ten leave room for a busy host. */
#define PROBE_DEADLINE_MS 10000

/* Whether the CPU says it has VMX or SVM: a "flags" line of /proc/cpuinfo. */
static int cpu_has_virtualization(void)
{
    pe_autobuf struct pe_buf info = {0};
    struct pe_error ignored;
    if (pe_read_file(AT_FDCWD, "/proc/cpuinfo", 4 << 20, &info, &ignored) < 0)
        return 0;
    return memmem(info.data, info.size, " vmx ", 5) || memmem(info.data, info.size, " svm ", 5);
}

/* The cheap reasons against KVM, or NULL. */
static const char *kvm_obstacle(void)
{
    if (access("/dev/kvm", F_OK) < 0)
        return "there is no /dev/kvm";
    if (access("/dev/kvm", R_OK | W_OK) < 0)
        return "/dev/kvm may not be opened";
    if (!cpu_has_virtualization())
        return "/proc/cpuinfo has neither vmx nor svm";
    return NULL;
}

/* A VM without any pmem device cannot become ready; that its init says so is all that is asked. */
static int guest_speaks(const struct vm_host *host, char *why, size_t size)
{
    struct vm_spec spec = {.memory_mib = 256, .cpus = 1};
    for (int i = 0; i < VM_PMEM_COUNT; i++)
        spec.pmem[i].fd = -1;
    struct vm vm;
    struct pe_error err;
    if (vm_start(host, &spec, &vm, &err) < 0) {
        snprintf(why, size, "%.*s", (int)size - 1, err.message);
        return 0;
    }
    struct pollfd fds[] = {{.fd = vm.control_fd, .events = POLLIN}, {.fd = vm.pidfd, .events = POLLIN}};
    int n = poll(fds, 2, PROBE_DEADLINE_MS);
    char byte = 0;
    int spoke = n > 0 && (fds[0].revents & POLLIN) && read(vm.control_fd, &byte, 1) == 1;
    if (!spoke && n == 0)
        snprintf(why, size, "a guest did not reach its init within %d s", PROBE_DEADLINE_MS / 1000);
    else if (!spoke)
        vm_last_words(&vm, why, size);
    vm_kill(&vm);
    return spoke;
}

int vm_choose_accel(struct vm_host *host, const char *wanted, char *reason, size_t size, struct pe_error *err)
{
    char why[160] = "";
    const char *obstacle = kvm_obstacle();
    host->accel = VM_ACCEL_TCG;
    if (!strcmp(wanted, "tcg")) {
        snprintf(reason, size, "qemu+tcg (asked for)");
        return 0;
    }
    if (!strcmp(wanted, "kvm") || (!strcmp(wanted, "auto") && !obstacle)) {
        host->accel = VM_ACCEL_KVM;
        if (guest_speaks(host, why, sizeof why)) {
            snprintf(reason, size, "qemu+kvm");
            return 0;
        }
        obstacle = why;
    }
    if (!strcmp(wanted, "kvm"))
        return pe_fail(err, PE_ERR_INTERNAL, "KVM was asked for, but %s", obstacle);
    if (strcmp(wanted, "auto") != 0)
        return pe_fail(err, PE_ERR_INVALID, "--accel takes auto, kvm or tcg, not '%s'", wanted);
    host->accel = VM_ACCEL_TCG;
    snprintf(reason, size, "qemu+tcg (not kvm: %s)", obstacle);
    return 0;
}
