/* Virtual machines, whichever program runs them. A driver (QEMU in qemu.c; cloud-hypervisor is the next)
 * turns a vm_spec into a running VM; everything above this header is the same for all of them. Snapshots
 * belong here as well: a driver that can restores a clone from a template instead of booting, behind the same
 * vm_start.
 *
 * A VM is one process whose only ties to us are inherited file descriptors: memory files (memfd) behind its
 * pmem devices and one end of a socket pair as its first serial port. It dies with the process that started
 * it (PR_SET_PDEATHSIG), and then nothing of it is left: no path, no socket file, no shared-memory file. */
#ifndef PE_WORKER_VMM_H
#define PE_WORKER_VMM_H

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

enum vm_accel { VM_ACCEL_TCG, VM_ACCEL_KVM };

/* What every VM of a host has in common. The texts outlive every VM. */
struct vm_host {
    enum vm_accel accel;
    const char *kernel;    /* path of a bzImage or PVH vmlinux */
    const char *initramfs; /* path */
    const char *qemu;      /* path of qemu-system-x86_64 */
    uid_t uid;             /* whom the VMM runs as when we are root */
    gid_t gid;
};

/* One pmem device: the file behind it and its length, a multiple of PE_PMEM_ALIGN. */
struct vm_pmem {
    int fd; /* borrowed; inherited by the VMM. -1: the device is left out */
    uint64_t bytes;
    int writable;
};

enum { VM_PMEM_ROOTFS, VM_PMEM_INPUT, VM_PMEM_OUTPUT, VM_PMEM_COUNT };

struct vm_spec {
    uint32_t memory_mib;
    uint32_t cpus;
    struct vm_pmem pmem[VM_PMEM_COUNT]; /* in the guest: /dev/pmem0, 1, 2 */
};

struct vm {
    pid_t pid;      /* the VMM's process */
    int pidfd;      /* readable when it has ended */
    int control_fd; /* the guest's first serial port, nonblocking */
    int log_fd;     /* what the VMM printed (memfd), for error messages */
};

#define VM_NONE ((struct vm){.pid = -1, .pidfd = -1, .control_fd = -1, .log_fd = -1})

/* Start a VM; it boots while the caller does other things, and says `ready` on its control channel when it
 * can take a job. `*vm` is VM_NONE on failure. */
int vm_start(const struct vm_host *host, const struct vm_spec *spec, struct vm *vm,
             struct pe_error *err) PE_MUST_CHECK;

/* Kill the VMM, reap it and close everything. Harmless on VM_NONE, which it leaves behind. */
void vm_kill(struct vm *vm);

/* The last line the VMM printed, to say why it died; "" when it printed nothing. */
void vm_last_words(const struct vm *vm, char *text, size_t size);

/* Which accelerator works on this host: cheap checks (vmx/svm, /dev/kvm), then a VM under KVM that must reach
 * its init before a deadline, since a /dev/kvm that opens proves nothing. Sets host->accel and says in
 * `reason` (for the log and `hello`) what was chosen and why. */
int vm_choose_accel(struct vm_host *host, const char *wanted, char *reason, size_t size,
                    struct pe_error *err) PE_MUST_CHECK;

#endif
