/* SPDX-License-Identifier: Apache-2.0 */
/* The QEMU driver. A vm_spec becomes a command line, and a snapshot is a migration to a file.
 * docs/vms.md gives the reasons for each choice. */
#include "base/cleanup.h"
#include "base/io.h"
#include "proto/job_spec.h"
#include "proto/limits.h"
#include "worker/vmm/argv_builder.h"
#include "worker/vmm/clone_kernel.h"
#include "worker/vmm/control.h"
#include "worker/vmm/dialog.h"
#include "worker/vmm/driver.h"
#include "worker/vmm/process.h"
#include "worker/vmm/qemu_extras.h"
#include "worker/vmm/qemu_state.h"
#include "worker/vmm/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where the RAM and the state of a clone come from; both -1 for a VM that boots. */
struct origin {
    int memory_fd;
    int state_fd;
};

/* RAM, and the address range for the virtio-pmem devices, with room for their alignment. A template
 * writes through to the file behind its RAM; a clone copies the pages that it writes to. */
static void add_memory(struct argv_builder *args, struct fd_list *list, const struct vm_spec *spec,
                       const struct vm *vm, const struct origin *origin)
{
    uint64_t pmem_mib = 0;
    for (int i = 0; i < VM_PMEM_COUNT; i++)
        if (spec->pmem[i].fd >= 0)
            pmem_mib += spec->pmem[i].bytes / PE_MIB + 1024;
    argv_add(args, "-m");
    if (spec->extras)
        qemu_extras_add_memory_size(args, spec);
    else if (pmem_mib)
        argv_add(args, "%uM,slots=%d,maxmem=%" PRIu64 "M", spec->memory_mib, VM_PMEM_COUNT,
                 spec->memory_mib + pmem_mib);
    else
        argv_add(args, "%uM", spec->memory_mib);
    if (!spec->savable)
        return;
    int clone = origin->memory_fd >= 0;
    argv_add(args, "-object");
    argv_add(args, "memory-backend-file,id=ram,size=%uM,share=%s,mem-path=/proc/self/fd/%d", spec->memory_mib,
             clone ? "off" : "on", fd_list_add(list, clone ? origin->memory_fd : vm->memory_fd));
}

/* Bound on translated code; QEMU's default is 1 GiB. When it is full, QEMU discards everything and translates
 * again what it needs. `gcc hello` needs 110 MiB; see docs/vms.md. */
#define TRANSLATIONS_MIB "512"

/* A guest has no use for VMs of its own, and what emulates them in KVM or QEMU is a large target for a guest
 * that was taken over. Other architectures offer them only on request. */
#if defined(__x86_64__)
#define NO_NESTED_VMS ",vmx=off,svm=off"
#else
#define NO_NESTED_VMS ""
#endif

/* The machine has no device that a job does not need, but the HPET, which is a clock that does not turn over
 * every 4.7 s as the ACPI timer does (docs/vms.md). graphics=off is missing on purpose: with it
 * the firmware prints to the serial port. Without mem-merge=off, QEMU would offer the memory of the guest to
 * the kernel for merging it with equal memory of other VMs (KSM), which a guest can measure. */
static void add_machine(struct argv_builder *args, const struct vm_host *host, const struct vm_spec *spec)
{
    int kvm = host->accel == VM_ACCEL_KVM;
    argv_add(args, "%s", host->qemu);
    argv_add(args, "-nodefaults");
    argv_add(args, "-no-user-config");
    argv_add(args, "-display");
    argv_add(args, "none");
    argv_add(args, "-no-reboot");
    argv_add(args, "-sandbox");
    argv_add(args, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    argv_add(args, "-machine");
    argv_add(args, "q35,sata=off,smbus=off,i8042=off,usb=off,vmport=off,mem-merge=off%s",
             spec->savable ? ",memory-backend=ram" : "");
    argv_add(args, "-bios");
    argv_add(args, "qboot.rom"); /* reaches the kernel 0.1 s sooner than SeaBIOS */
    argv_add(args, "-accel");
    argv_add(args, "%s", kvm ? "kvm" : "tcg,thread=single,tb-size=" TRANSLATIONS_MIB);
    argv_add(args, "-cpu");
    argv_add(args, "%s%s%s", kvm ? "host" : "max,la57=off", NO_NESTED_VMS, host->cpu_flags);
    argv_add(args, "-smp");
    argv_add(args, "%u,maxcpus=%u", spec->cpus, spec->extras ? spec->extras->cpus_max : spec->cpus);
}

static void add_pmem(struct argv_builder *args, struct fd_list *list, int index, const struct vm_pmem *pmem)
{
    argv_add(args, "-object");
    argv_add(args, "memory-backend-file,id=pmem%d,share=on,readonly=%s,mem-path=/proc/self/fd/%d,size=%llu",
             index, pmem->writable ? "off" : "on", fd_list_add(list, pmem->fd),
             (unsigned long long)pmem->bytes);
    argv_add(args, "-device");
    argv_add(args, "virtio-pmem-pci,memdev=pmem%d,id=vp%d", index, index);
}

/* A clone has its kernel in its RAM. It names one all the same, so that it has the devices of its template.
 */
static void add_kernel(struct argv_builder *args, struct fd_list *list, const struct vm_spec *spec,
                       int kernel, int initramfs)
{
    argv_add(args, "-kernel");
    argv_add(args, "/proc/self/fd/%d", fd_list_add(list, kernel));
    if (initramfs < 0)
        return;
    argv_add(args, "-initrd");
    argv_add(args, "/proc/self/fd/%d", fd_list_add(list, initramfs));
    argv_add(args, "-append");
    argv_add(args,
             spec->extras ? QEMU_EXTRAS_COMMAND_LINE "%s"
                          : "quiet panic=-1 cryptomgr.notests swiotlb=noforce mitigations=off%s",
             spec->guest_options);
}

static void add_channels(struct argv_builder *args, struct fd_list *list, const struct vm_spec *spec,
                         int serial, int manage)
{
    argv_add(args, "-chardev");
    argv_add(args, "socket,id=serial,fd=%d", fd_list_add(list, serial));
    argv_add(args, "-serial");
    argv_add(args, "chardev:serial");
    if (!spec->savable)
        return;
    argv_add(args, "-chardev");
    argv_add(args, "socket,id=qmp,fd=%d", fd_list_add(list, manage));
    argv_add(args, "-mon");
    argv_add(args, "chardev=qmp,mode=control");
}

/* The stream does not carry the global state, which says that the template was stopped. A clone
 * therefore runs as soon as it has read the stream. */
static void add_migration(struct argv_builder *args, const struct origin *origin)
{
    argv_add(args, "-global");
    argv_add(args, "migration.store-global-state=off");
    if (origin->state_fd < 0)
        return;
    argv_add(args, "-incoming");
    argv_add(args, "defer");
}

/* The code that chooses random addresses is in front of the compressed kernel, so only a bzImage has it. It
 * starts later than a vmlinux (docs/performance.md). A template starts once, and all clones have its
 * addresses. A clone needs the same kernel, because a part of the firmware depends on its format. */
static const char *kernel_for(const struct vm_host *host, const struct vm_spec *spec)
{
    return spec->savable && host->kernel_kaslr ? host->kernel_kaslr : host->kernel;
}

/* What a VMM inherits besides the files of its devices; -1: nothing. */
struct inheritance {
    int kernel, initramfs;
    int serial, manage, agent; /* the VMM's ends of channels to us */
    int vsock;
};

static void close_inheritance(struct inheritance *given)
{
    pe_cleanup_close(&given->kernel);
    pe_cleanup_close(&given->initramfs);
    pe_cleanup_close(&given->serial);
    pe_cleanup_close(&given->manage);
    pe_cleanup_close(&given->agent);
    pe_cleanup_close(&given->vsock);
}

/* Open what a VM starts with. A clone needs neither the whole kernel nor an initramfs. */
static int open_kernel(const struct vm_host *host, const struct vm_spec *spec, const struct origin *origin,
                       struct inheritance *given, struct pe_error *err)
{
    if ((given->kernel = vmm_open_file(kernel_for(host, spec), err)) < 0)
        return -1;
    if (origin->memory_fd >= 0)
        return clone_kernel_cut(&given->kernel, err);
    return (given->initramfs = vmm_open_file(host->initramfs, err)) < 0 ? -1 : 0;
}

static int open_channels(const struct vm_spec *spec, struct vm *vm, struct inheritance *given,
                         struct pe_error *err)
{
    if (vmm_open_serial(&vm->serial_fd, &given->serial, err) < 0 ||
        vmm_open_channel(&vm->manage_fd, &given->manage, err) < 0)
        return -1;
    if (!spec->extras)
        return 0;
    return vmm_open_serial(&vm->agent_fd, &given->agent, err) < 0
               ? -1
               : qemu_extras_open_vsock(spec->extras, &given->vsock, err);
}

static void add_arguments(struct argv_builder *args, struct fd_list *list, const struct vm_host *host,
                          const struct vm_spec *spec, const struct origin *origin, const struct vm *vm,
                          const struct inheritance *given)
{
    add_machine(args, host, spec);
    add_memory(args, list, spec, vm, origin);
    add_kernel(args, list, spec, given->kernel, given->initramfs);
    add_channels(args, list, spec, given->serial, given->manage);
    for (int i = 0; i < VM_PMEM_COUNT; i++)
        if (spec->pmem[i].fd >= 0)
            add_pmem(args, list, i, &spec->pmem[i]);
    if (spec->extras)
        qemu_extras_add(args, list, spec->extras, given->agent, given->vsock);
    if (spec->savable)
        add_migration(args, origin);
}

static const struct syscall_list *syscalls_for(const struct vm_host *host, const struct vm_spec *spec)
{
    if (spec->extras)
        return NULL;
    return host->accel == VM_ACCEL_KVM ? &syscalls_qemu_kvm : &syscalls_qemu_tcg;
}

static int start(const struct vm_host *host, const struct vm_spec *spec, const struct origin *origin,
                 struct vm *vm, struct pe_error *err)
{
    struct argv_builder args = {0};
    struct fd_list list = {0};
    __attribute__((cleanup(close_inheritance))) struct inheritance given = {-1, -1, -1, -1, -1, -1};
    if (open_kernel(host, spec, origin, &given, err) < 0 || open_channels(spec, vm, &given, err) < 0)
        return -1;
    add_arguments(&args, &list, host, spec, origin, vm, &given);
    if (args.overflow)
        return pe_fail(err, PE_ERR_INTERNAL, "the command line of QEMU is too long");
    const struct vmm_process_needs needs = {.memory_mib = spec->memory_mib,
                                            .cpus = spec->cpus,
                                            .processes = 128,
                                            .writes_disks = spec->extras != NULL,
                                            .syscalls = syscalls_for(host, spec)};
    return vmm_process_start(host, args.argv, &list, &needs, vm, err);
}

static int qemu_boot(const struct vm_host *host, const struct vm_spec *spec, struct vm *vm,
                     struct pe_error *err)
{
    const struct origin boot = {-1, -1};
    return start(host, spec, &boot, vm, err);
}

/* What is said to a VMM for a snapshot. */
struct talk {
    int state_fd;
    uint64_t start_us; /* when the clone was started */
};

static int say_save(const struct vm_host *host, struct vm *vm, void *context, struct pe_error *err)
{
    const int state_fd = ((const struct talk *)context)->state_fd;
    (void)host;
    autoqmp struct qmp qmp = {.fd = vm->manage_fd, .deadline_us = pe_now_us() + VM_SAVE_MS * 1000ull};
    if (qmp_begin(&qmp, err) < 0 || qemu_state_write(&qmp, state_fd, err) < 0)
        return vmm_explain(vm, err);
    return 0;
}

static int qemu_save(const struct vm_host *host, struct vm *vm, int state_fd, struct pe_error *err)
{
    struct talk talk = {.state_fd = state_fd};
    return vmm_dialog(host, vm, pe_now_us() + VM_SAVE_MS * 1000ull, say_save, &talk, state_fd, err);
}

/* Open the file once more: all clones share the descriptor, and with it the file offset. */
static int reopen(int fd, struct pe_error *err)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = open(path, O_RDONLY | O_CLOEXEC);
    return own >= 0 ? own : pe_fail_errno(err, "cannot open the state of a snapshot");
}

static int restore(struct vm *vm, int state_fd, uint64_t start_us, struct pe_error *err)
{
    autoqmp struct qmp qmp = {.fd = vm->manage_fd, .deadline_us = start_us + VM_CLONE_MS * 1000ull};
    if (qmp_begin(&qmp, err) < 0)
        return -1;
    uint64_t spawned_us = pe_now_us();
    if (qemu_state_read(&qmp, state_fd, err) < 0)
        return -1;
    vm->spawn_us = spawned_us - start_us;
    vm->restore_us = pe_now_us() - spawned_us;
    return 0;
}

static int say_restore(const struct vm_host *host, struct vm *vm, void *context, struct pe_error *err)
{
    const struct talk *talk = context;
    (void)host;
    return restore(vm, talk->state_fd, talk->start_us, err) < 0 ? vmm_explain(vm, err) : 0;
}

static int qemu_clone(const struct vm_host *host, const struct vm_spec *spec,
                      const struct vm_snapshot *snapshot, struct vm *vm, struct pe_error *err)
{
    uint64_t start_us = pe_now_us();
    pe_autoclose int state = reopen(snapshot->state_fd, err);
    const struct origin origin = {.memory_fd = snapshot->memory_fd, .state_fd = state};
    if (state < 0 || start(host, spec, &origin, vm, err) < 0)
        return -1;
    struct talk talk = {.state_fd = state, .start_us = start_us};
    if (vmm_dialog(host, vm, start_us + VM_CLONE_MS * 1000ull, say_restore, &talk, state, err) < 0)
        return -1;
    /* QMP is not used any more, so the VMM does not keep a channel to us. */
    close(pe_steal_fd(&vm->manage_fd));
    return 0;
}

/* As qemu_clone, but the RAM is the file of the VM itself, so that it can be saved again. The monitor stays,
 * for worker/vmm/qemu_control.c, which begins the dialog once more. */
static int qemu_restore(const struct vm_host *host, const struct vm_spec *spec, int state_fd, struct vm *vm,
                        struct pe_error *err)
{
    pe_autoclose int state = reopen(state_fd, err);
    const struct origin origin = {.memory_fd = -1, .state_fd = state};
    if (state < 0 || start(host, spec, &origin, vm, err) < 0)
        return -1;
    vm->manage_begun = true;
    return restore(vm, state, pe_now_us(), err) < 0 ? vmm_explain(vm, err) : 0;
}

static int qemu_version(const struct vm_host *host, char *text, size_t size, struct pe_error *err)
{
    static const char before[] = "version ";
    char line[256];
    if (vmm_process_query(host->qemu, "--version", line, sizeof line, err) < 0)
        return -1;
    const char *at = strstr(line, before);
    if (!at)
        return pe_fail(err, PE_ERR_INTERNAL, "%s --version printed '%.100s', which has no version",
                       host->qemu, line);
    at += strlen(before);
    snprintf(text, size, "%.*s", (int)strcspn(at, " "), at);
    return 0;
}

/* ---- files ---- */

/* The firmware that reaches the kernel, and the module with the software emulation, which some
 * distributions build as a file of its own. QEMU looks for them below the folder above that of its
 * program. */
static int qemu_files(const struct vm_host *host, struct jail_files *files, struct pe_error *err)
{
    static const char *const names[] = {"share/qemu/qboot.rom",
                                        "share/qemu/pvh.bin",
                                        "share/qemu/linuxboot_dma.bin",
                                        "share/qemu/kvmvapic.bin",
                                        "lib/qemu/accel-tcg-x86_64.so",
                                        "lib64/qemu/accel-tcg-x86_64.so",
                                        "lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so"};
    char path[PATH_MAX];
    const char *slash = strrchr(host->qemu, '/');
    int folder = slash ? (int)(slash - host->qemu) : 0;
    if (jail_files_add_program(files, host->qemu, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%.*s/../%s", folder, host->qemu, names[i]);
        if (jail_files_add(files, JAIL_FILE_READ, path, err) < 0)
            return -1;
    }
    return 0;
}

const struct vmm_driver vmm_qemu = {.name = "qemu",
                                    .title = "QEMU",
                                    .restore = qemu_restore,
                                    .control = &qemu_control,
                                    .version = qemu_version,
                                    .files = qemu_files,
                                    .boot = qemu_boot,
                                    .save = qemu_save,
                                    .clone = qemu_clone};
