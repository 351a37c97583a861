/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual machines, independent of the program that runs them. A driver (worker/vmm/driver.h) turns
 * a vm_spec into a running VM, a running VM into a snapshot, and a snapshot into any number of
 * clones. Everything above this header is the same for all drivers.
 *
 * A VM is one process, or one with children (worker/vmm/uml.c). Its only ties to the worker are inherited
 * file descriptors: memory files (memfd) behind its pmem devices and its RAM, and its first serial port. It
 * dies with the process that started it (PR_SET_PDEATHSIG). If a driver needs files by path, they are in a
 * folder of the VM below vm_host.run_dir. That folder and the VM's cgroups have the pid of the process that
 * started it in their names. vm_kill removes both, and vm_sweep removes those of killed owners. */
#ifndef PE_WORKER_VMM_H
#define PE_WORKER_VMM_H

#include "base/error.h"
#include "proto/isolation.h"
#include "worker/vmm/cgroup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum vm_accel {
    VM_ACCEL_TCG,  /* software emulation by QEMU */
    VM_ACCEL_KVM,  /* hardware virtualization */
    VM_ACCEL_NONE, /* the guest's programs are processes of the host (User Mode Linux) */
};

/* What isolates the VMs of a host with this accelerator. */
static inline enum pe_isolation vm_isolation(enum vm_accel accel)
{
    switch (accel) {
    case VM_ACCEL_KVM:
        return PE_ISOLATION_HARDWARE;
    case VM_ACCEL_NONE:
        return PE_ISOLATION_KERNEL;
    case VM_ACCEL_TCG:
        break;
    }
    return PE_ISOLATION_EMULATION;
}

/* What all VMs of a host have in common. The texts must outlive every VM. */
struct vm_host {
    const struct vmm_driver *driver;
    enum vm_accel accel;
    const char *cpu_flags;    /* appended to the CPU model, e.g. ",pmu=off"; "" for none. Of User Mode
                                 Linux: ",seccomp" or "" */
    const char *kernel;       /* path of a PVH vmlinux or a bzImage */
    bool own_kernel;          /* it was chosen, and is not that of the installation */
    const char *kernel_kaslr; /* path of the same kernel as a bzImage, which chooses its addresses at random
                                 when it boots, for templates and their clones; NULL: there is none */
    const char *initramfs;    /* path */
    const char *qemu;         /* path of qemu-system-x86_64 */
    const char *cloud_hypervisor; /* path of cloud-hypervisor */
    const char *uml_kernel;       /* path of our User Mode Linux kernel, a program of the host */
    uint32_t cpu;                 /* number of the CPU that VMs stay on, if their VMM needs to */
    const char *run_dir;          /* existing folder for what VMMs need by path */
    uid_t uid;                    /* user that a VMM runs as if we are root */
    gid_t gid;                    /* its group */
    const char **vmm_paths;       /* more files and folders that VMMs may read; absolute */
    size_t vmm_path_count;
    struct jail *jail; /* from vm_host_confine; NULL: VMMs cannot be started yet */
};

/* One pmem device: the file behind it, and its length. */
struct vm_pmem {
    int fd;         /* borrowed; the VMM inherits it. -1: the VM does not have this device */
    uint64_t bytes; /* a multiple of PE_PMEM_ALIGN, and not more than the file has */
    bool writable;
};

enum { VM_PMEM_ROOTFS, VM_PMEM_INPUT, VM_PMEM_OUTPUT, VM_PMEM_LIVE, VM_PMEM_COUNT };

/* What the VM of an operator has (pe-vm), and that of a job does not: disks, a network, a console on its
 * first serial port, a second one for an agent, and devices that come and go (worker/vmm/control.h). The
 * guest of such a VM is not hostile: the VMM has no filter of system calls. */
#define VM_DISKS_MAX 4
#define VM_NICS_MAX 2

struct vm_disk {
    int fd; /* borrowed; opened for writing as well if the disk is writable */
    bool writable;
    bool qcow2; /* QEMU's format; false: the file has the content of the disk */
};

struct vm_nic {
    int tap;        /* borrowed: a TAP device (IFF_TAP, IFF_NO_PI, IFF_VNET_HDR) */
    uint8_t mac[6]; /* address of the guest's device */
};

struct vm_extras {
    struct vm_disk disks[VM_DISKS_MAX];
    size_t disk_count;
    struct vm_nic nics[VM_NICS_MAX];
    size_t nic_count;
    uint32_t memory_max_mib, cpus_max; /* to which vm_control_resize can go */
    uint32_t vsock_cid;                /* 0: no vsock */
};

struct vm_spec {
    uint32_t memory_mib;
    uint32_t cpus;
    struct vm_pmem pmem[VM_PMEM_COUNT]; /* in the guest: /dev/pmem0 to 3, or /dev/ubda to d */
    const char *guest_options;          /* appended to the kernel's command line; "" for none */
    bool savable;                       /* vm_save shall be possible: the RAM is in a file */
    const struct vm_extras *extras;     /* NULL: this is the VM of a job */
};

struct vm {
    pid_t pid;                    /* process of the VMM */
    int pidfd;                    /* readable when that process has ended */
    int serial_fd;                /* the guest's first serial port, nonblocking */
    int log_fd;                   /* memfd with the first 64 KiB that the VMM printed, for error messages */
    int manage_fd;                /* the VMM's management protocol (QMP), while the driver uses it */
    bool manage_begun;            /* the dialog of that protocol has begun */
    int memory_fd;                /* memfd for the RAM of a savable VM */
    int agent_fd;                 /* the port of the agent of a VM with extras, nonblocking */
    char run_dir[128];            /* the VM's folder below vm_host.run_dir; "": it has none */
    const struct jail *jail;      /* in which the VMM was started, borrowed; NULL: it was not */
    char cgroup[CGROUP_NAME_MAX]; /* the name of its cgroups; "": it has none */
    uint64_t spawn_us;            /* from fork(2) until the VMM answered; 0: not known */
    uint64_t restore_us;          /* from then until the clone ran; 0: this is not a clone */
};

#define VM_NONE                   \
    ((struct vm){.pid = -1,       \
                 .pidfd = -1,     \
                 .serial_fd = -1, \
                 .log_fd = -1,    \
                 .manage_fd = -1, \
                 .memory_fd = -1, \
                 .agent_fd = -1})

/* A VM at rest. Nobody can write to either file any more. Clones map the memory privately. */
struct vm_snapshot {
    int memory_fd; /* sealed memfd with the RAM, memory_mib long, mostly holes */
    int state_fd;  /* sealed memfd with registers and devices, in the driver's own format */
};

#define VM_SNAPSHOT_NONE ((struct vm_snapshot){.memory_fd = -1, .state_fd = -1})

/* Start a VM. It boots while the caller does other things, and says `ready` on its serial port when
 * it can accept a job. On failure `*vm` is VM_NONE. Fails with PE_ERR_INVALID or PE_ERR_TOO_LARGE
 * if the driver cannot make such a VM, with PE_ERR_LOST if the VMM ended, with PE_ERR_TIMEOUT if it took too
 * long, else with PE_ERR_INTERNAL. */
int vm_boot(const struct vm_host *host, const struct vm_spec *spec, struct vm *vm,
            struct pe_error *err) PE_MUST_CHECK;

/* Stop a savable VM for good and save its state to `*snapshot`, which the caller owns. Blocks for
 * some milliseconds, at most for VM_SAVE_MS. `*vm` is VM_NONE afterwards in every case; on failure
 * `*snapshot` is VM_SNAPSHOT_NONE. Errors are as for vm_boot. */
#define VM_SAVE_MS 60000u
int vm_save(const struct vm_host *host, struct vm *vm, struct vm_snapshot *snapshot,
            struct pe_error *err) PE_MUST_CHECK;

/* Start a clone, which goes on from where the snapshot was made. `spec` is that of the saved VM,
 * with other files of the same sizes behind the devices that can be written. Blocks until the clone runs, at
 * most for VM_CLONE_MS. On failure `*vm` is VM_NONE. The guest does not know that it is a clone: the caller
 * tells it (proto/guest-contract.md, `wake`). Errors are as for vm_boot. */
#define VM_CLONE_MS 20000u
int vm_clone(const struct vm_host *host, const struct vm_spec *spec, const struct vm_snapshot *snapshot,
             struct vm *vm, struct pe_error *err) PE_MUST_CHECK;

/* Start a VM with extras that goes on from where vm_control_snapshot was called: `memory_fd` and `state_fd`
 * are its two files, which are read. `spec` is that of the saved VM, with copies of its disks. Otherwise as
 * vm_clone, also in its errors, but the VM can be saved again. PE_ERR_INVALID if the VMM cannot do this. */
int vm_restore(const struct vm_host *host, const struct vm_spec *spec, int memory_fd, int state_fd,
               struct vm *vm, struct pe_error *err) PE_MUST_CHECK;

/* Kill the VMM, reap it, close all descriptors and remove the VM's folder and cgroups. Harmless on VM_NONE,
 * which it leaves behind. */
void vm_kill(struct vm *vm);

/* Close both files. Harmless on VM_SNAPSHOT_NONE, which it leaves behind. */
void vm_snapshot_close(struct vm_snapshot *snapshot);

/* Copy to `text` the reason that the VMM printed last, which usually says why it ended
 * (worker/vmm/last_words.h); "" if there is none. */
#define VM_LAST_WORDS_MAX 512
void vm_last_words(const struct vm *vm, char text[VM_LAST_WORDS_MAX]);

/* Write the version of the VMM to `text`, e.g. "7.2.22". A snapshot depends on it. Fails with
 * PE_ERR_NOT_FOUND if the program is missing, with PE_ERR_INVALID if the version lacks something
 * that we need, and with PE_ERR_INTERNAL if the program does not work. */
int vm_host_version(const struct vm_host *host, char *text, size_t size, struct pe_error *err) PE_MUST_CHECK;

/* Find out how this host can confine the VMMs of host->driver, and set host->jail
 * (worker/vmm/jail.h). Call it once, when all other members are set, before there is a VM and before
 * the processes are forked that start VMs. Takes some milliseconds. Fails with PE_ERR_NOT_FOUND if the
 * VMM is missing, else with PE_ERR_INTERNAL. */
int vm_host_confine(struct vm_host *host, struct pe_error *err) PE_MUST_CHECK;

/* Free host->jail. Harmless if there is none. */
void vm_host_release(struct vm_host *host);

/* Remove the folders and cgroups of VMs whose owner was killed. Call it at the start, before there is a
 * VM. */
void vm_sweep(const struct vm_host *host);

#endif
