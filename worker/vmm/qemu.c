/* The QEMU driver: a vm_spec as a command line. See docs/architecture.md for why each choice. */
#include "base/cleanup.h"
#include "proto/limits.h"
#include "worker/vmm/process.h"
#include "worker/vmm/vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* A command line under construction: words live in `text`. */
struct argv_builder {
    char text[8192];
    size_t used;
    char *words[96];
    size_t count;
    int overflow;
};

__attribute__((format(printf, 2, 3))) static void add(struct argv_builder *args, const char *format, ...)
{
    size_t left = sizeof args->text - args->used;
    va_list list;
    va_start(list, format);
    int n = vsnprintf(args->text + args->used, left, format, list);
    va_end(list);
    if (n < 0 || (size_t)n >= left || args->count + 1 >= sizeof args->words / sizeof *args->words) {
        args->overflow = 1;
        return;
    }
    args->words[args->count++] = args->text + args->used;
    args->used += (size_t)n + 1;
}

/* Files by descriptor: no path of ours has to be readable by the user the VMM runs as. */
struct fd_list {
    int fds[VMM_FD_MAX];
    size_t count;
};

static int pass_fd(struct fd_list *list, int fd)
{
    list->fds[list->count] = fd;
    return VMM_FD_FIRST + (int)list->count++;
}

/* RAM, and the region that virtio-pmem devices take their place in, with room for its alignment. */
static void add_memory(struct argv_builder *args, const struct vm_spec *spec)
{
    uint64_t max_mib = spec->memory_mib;
    for (int i = 0; i < VM_PMEM_COUNT; i++)
        if (spec->pmem[i].fd >= 0)
            max_mib += spec->pmem[i].bytes / PE_MIB + 1024;
    add(args, "-m");
    add(args, "%uM,slots=%d,maxmem=%" PRIu64 "M", spec->memory_mib, VM_PMEM_COUNT, max_mib);
}

/* No device that a job does not need. Not graphics=off: the firmware would then print on the control channel.
 */
static void add_machine(struct argv_builder *args, const struct vm_host *host, const struct vm_spec *spec)
{
    int kvm = host->accel == VM_ACCEL_KVM;
    add(args, "%s", host->qemu);
    add(args, "-nodefaults");
    add(args, "-no-user-config");
    add(args, "-display");
    add(args, "none");
    add(args, "-no-reboot");
    add(args, "-sandbox");
    add(args, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    add(args, "-machine");
    add(args, "q35,sata=off,smbus=off,i8042=off,hpet=off,usb=off,vmport=off");
    add(args, "-bios");
    add(args, "qboot.rom"); /* 0.1 s sooner at the kernel than SeaBIOS */
    add(args, "-accel");
    add(args, "%s", kvm ? "kvm" : "tcg,thread=single");
    add(args, "-cpu");
    add(args, "%s", kvm ? "host" : "max,la57=off");
    add(args, "-smp");
    add(args, "%u", spec->cpus);
    add_memory(args, spec);
}

static void add_pmem(struct argv_builder *args, struct fd_list *list, int index, const struct vm_pmem *pmem)
{
    add(args, "-object");
    add(args, "memory-backend-file,id=pmem%d,share=on,readonly=%s,mem-path=/proc/self/fd/%d,size=%llu", index,
        pmem->writable ? "off" : "on", pass_fd(list, pmem->fd), (unsigned long long)pmem->bytes);
    add(args, "-device");
    add(args, "virtio-pmem-pci,memdev=pmem%d,id=vp%d", index, index);
}

static void add_kernel(struct argv_builder *args, struct fd_list *list, int kernel, int initramfs)
{
    add(args, "-kernel");
    add(args, "/proc/self/fd/%d", pass_fd(list, kernel));
    add(args, "-initrd");
    add(args, "/proc/self/fd/%d", pass_fd(list, initramfs));
    add(args, "-append");
    add(args, "quiet panic=-1 cryptomgr.notests swiotlb=noforce mitigations=off");
}

static int open_file(const char *path, struct pe_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    pe_fail_errno(err, "opening %s (make guest makes it)", path);
    return -1;
}

static int start_process(const struct vm_host *host, const struct vm_spec *spec, int serial, int kernel,
                         int initramfs, struct vm *vm, struct pe_error *err)
{
    struct argv_builder args = {0};
    struct fd_list list = {0};
    add_machine(&args, host, spec);
    add_kernel(&args, &list, kernel, initramfs);
    add(&args, "-chardev");
    add(&args, "socket,id=control,fd=%d", pass_fd(&list, serial));
    add(&args, "-serial");
    add(&args, "chardev:control");
    for (int i = 0; i < VM_PMEM_COUNT; i++)
        if (spec->pmem[i].fd >= 0)
            add_pmem(&args, &list, i, &spec->pmem[i]);
    if (args.overflow)
        return pe_fail(err, PE_ERR_INTERNAL, "QEMU's command line is too long");
    return vmm_process_start(host, args.words, list.fds, list.count, vm->log_fd, vm, err);
}

int vm_start(const struct vm_host *host, const struct vm_spec *spec, struct vm *vm, struct pe_error *err)
{
    *vm = VM_NONE;
    pe_autoclose int kernel = open_file(host->kernel, err);
    pe_autoclose int initramfs = kernel < 0 ? -1 : open_file(host->initramfs, err);
    if (initramfs < 0)
        return -1;
    int pair[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return pe_fail_errno(err, "socket pair for a VM's control channel");
    pe_autoclose int serial = pair[1];
    vm->control_fd = pair[0];
    vm->log_fd = memfd_create("vmm-log", MFD_CLOEXEC);
    if (vm->log_fd < 0)
        pe_fail_errno(err, "memfd for a VMM's messages");
    else if (fcntl(vm->control_fd, F_SETFL, O_NONBLOCK) < 0)
        pe_fail_errno(err, "control channel");
    else if (start_process(host, spec, serial, kernel, initramfs, vm, err) == 0)
        return 0;
    vm_kill(vm);
    return -1;
}
