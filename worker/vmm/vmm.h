/* Virtual machines, whichever program runs them. A driver (QEMU in qemu.c, cloud-hypervisor in
 * cloud_hypervisor.c) turns a vm_spec into a running VM, a running VM into a snapshot, and a snapshot into
 * any number of clones; everything above this header is the same for all of them.
 *
 * A VM is one process whose only ties to us are inherited file descriptors: memory files (memfd) behind its
 * pmem devices and RAM, and its first serial port. It dies with the process that started it
 * (PR_SET_PDEATHSIG). What else a driver needs (sockets by path) lies in a folder of the VM's own below
 * vm_host.run_dir, which vm_kill removes and vm_sweep_run_dir looks after when we did not get to it. */
#ifndef PE_WORKER_VMM_H
#define PE_WORKER_VMM_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum vm_accel { VM_ACCEL_TCG, VM_ACCEL_KVM };

/* What every VM of a host has in common. The texts outlive every VM. */
struct vm_host {
    const struct vmm_driver *driver;
    enum vm_accel accel;
    const char *cpu_flags;        /* appended to the CPU model, e.g. ",pmu=off"; "" for none */
    const char *kernel;           /* path of a PVH vmlinux or bzImage */
    const char *initramfs;        /* path */
    const char *qemu;             /* path of qemu-system-x86_64 */
    const char *cloud_hypervisor; /* path of cloud-hypervisor */
    const char *run_dir;          /* existing folder for what VMMs need by path */
    uid_t uid;                    /* whom the VMM runs as when we are root */
    gid_t gid;
};

/* One pmem device: the file behind it and its length, a multiple of PE_PMEM_ALIGN. */
struct vm_pmem {
    int fd; /* borrowed; inherited by the VMM. -1: the device is left out */
    uint64_t bytes;
    bool writable;
};

enum { VM_PMEM_ROOTFS, VM_PMEM_INPUT, VM_PMEM_OUTPUT, VM_PMEM_COUNT };

struct vm_spec {
    uint32_t memory_mib;
    uint32_t cpus;
    struct vm_pmem pmem[VM_PMEM_COUNT]; /* in the guest: /dev/pmem0, 1, 2 */
    const char *guest_options;          /* appended to the kernel's command line; "" for none */
    bool savable;                       /* RAM in a file, for vm_save */
};

struct vm {
    pid_t pid;           /* the VMM's process */
    int pidfd;           /* readable when it has ended */
    int serial_fd;       /* the guest's first serial port, nonblocking */
    int log_fd;          /* what the VMM printed (memfd), for error messages */
    int manage_fd;       /* the VMM's own control channel (QMP, REST), while there is one */
    int memory_fd;       /* memfd that is the RAM of a savable VM */
    char run_dir[128];   /* its folder below vm_host.run_dir; "": it needs none */
    uint64_t spawn_us;   /* from fork(2) until the VMM could be talked to; 0: not known */
    uint64_t restore_us; /* from then until the clone ran; 0: not a clone */
};

#define VM_NONE \
    ((struct vm){.pid = -1, .pidfd = -1, .serial_fd = -1, .log_fd = -1, .manage_fd = -1, .memory_fd = -1})

/* A VM at rest. Nobody can write to either file any more: clones map the memory copy-on-write. */
struct vm_snapshot {
    int memory_fd; /* sealed memfd: RAM, memory_mib long, mostly holes */
    int state_fd;  /* sealed memfd: registers and devices, in the driver's own form */
};

#define VM_SNAPSHOT_NONE ((struct vm_snapshot){.memory_fd = -1, .state_fd = -1})

/* Start a VM; it boots while the caller does other things, and says `ready` on its control channel when it
 * can take a job. `*vm` is VM_NONE on failure. */
int vm_boot(const struct vm_host *host, const struct vm_spec *spec, struct vm *vm,
            struct pe_error *err) PE_MUST_CHECK;

/* Stop a savable VM for good and keep what it was. Blocks for some milliseconds, at most VM_SAVE_MS. The VM
 * is VM_NONE afterwards in either case; `*snapshot` is VM_SNAPSHOT_NONE on failure. */
#define VM_SAVE_MS 60000u
int vm_save(const struct vm_host *host, struct vm *vm, struct vm_snapshot *snapshot,
            struct pe_error *err) PE_MUST_CHECK;

/* Start a clone, which runs on from where the snapshot was made. `spec` is the template's but for the files
 * behind input and output, whose sizes must be the same. Blocks until the clone runs, at most VM_CLONE_MS.
 * `*vm` is VM_NONE on failure. The guest does not know that it is a clone: the caller tells it
 * (proto/guest-contract.md, `wake`). */
#define VM_CLONE_MS 20000u
int vm_clone(const struct vm_host *host, const struct vm_spec *spec, const struct vm_snapshot *snapshot,
             struct vm *vm, struct pe_error *err) PE_MUST_CHECK;

/* Kill the VMM, reap it, close everything, remove its folder. Harmless on VM_NONE, which it leaves behind. */
void vm_kill(struct vm *vm);

/* Close both files. Harmless on VM_SNAPSHOT_NONE, which it leaves behind. */
void vm_snapshot_close(struct vm_snapshot *snapshot);

/* The last line the VMM printed, to say why it died; "" when it printed nothing. */
void vm_last_log_line(const struct vm *vm, char *text, size_t size);

/* The VMM's release, e.g. "7.2.22": part of what a snapshot depends on. Fails when the program is missing,
 * does not run, or is a release that lacks something we need; the error says which. */
int vm_host_version(const struct vm_host *host, char *text, size_t size, struct pe_error *err) PE_MUST_CHECK;

/* Remove the folders of VMs that are no more (their owner was killed). For the start, before any VM. */
void vm_sweep_run_dir(const char *run_dir);

#endif
