/* SPDX-License-Identifier: Apache-2.0 */
/* The User Mode Linux driver. The guest's kernel is a program of the host: initramfs/build-uml-kernel
 * compiles it, with our patches. Each process of the guest is a process of the host, and a child of
 * the kernel, which catches all of its system calls with ptrace(2). There are no snapshots, because
 * a boot is as quick as a clone of another VMM.
 *
 * It works around these properties of User Mode Linux:
 * - Unpinned it is three times slower: each system call of the guest wakes another CPU.
 * - It opens files by path, again and again. Our patch makes `fd:N` a name of descriptor N, so it needs
 *   no /proc.
 * - A block device that begins with the header of a copy-on-write file would make it open the file
 *   that this header names. The flag `d` turns that off, but the size of the device would still be that of
 *   the other file, so such a device is refused. Flag `c`: it does not lock the files.
 * - It measures its delay loop for 0.1 s unless lpj= gives a number.
 * - It executes itself again by path if its addresses are randomized. We start it without. */
#include "base/cleanup.h"
#include "proto/job_spec.h"
#include "worker/vmm/argv_builder.h"
#include "worker/vmm/control.h"
#include "worker/vmm/driver.h"
#include "worker/vmm/engine_selection.h"
#include "worker/vmm/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check(const struct vm_spec *spec, struct pe_error *err)
{
    if (spec->savable)
        return pe_fail(err, PE_ERR_INVALID, "User Mode Linux cannot save a VM");
    if (spec->cpus > 1)
        return pe_fail(err, PE_ERR_INVALID, "User Mode Linux has one CPU for each VM, not %u", spec->cpus);
    return 0;
}

/* Whether the file begins with COW_MAGIC of the kernel's arch/um/drivers/cow_user.c, in either byte order. */
static bool is_copy_on_write(int fd)
{
    char magic[4];
    return pread(fd, magic, sizeof magic, 0) == (ssize_t)sizeof magic &&
           (!memcmp(magic, "OOOM", sizeof magic) || !memcmp(magic, "MOOO", sizeof magic));
}

/* The device is as large as the file, so the file has to have the size that is asked for. */
static int add_device(struct argv_builder *args, struct fd_list *list, int index,
                      const struct vm_pmem *device, struct pe_error *err)
{
    struct stat status;
    if (device->fd < 0)
        return 0;
    if (fstat(device->fd, &status) < 0)
        return pe_fail_errno(err, "cannot examine the file of block device %d", index);
    if ((uint64_t)status.st_size != device->bytes)
        return pe_fail(err, PE_ERR_INVALID, "block device %d needs %llu bytes, but its file has %lld", index,
                       (unsigned long long)device->bytes, (long long)status.st_size);
    if (is_copy_on_write(device->fd))
        return pe_fail(err, PE_ERR_INVALID,
                       "the file of block device %d begins as a copy-on-write file of User Mode Linux does",
                       index);
    argv_add(args, "ubd%d%scd=fd:%d", index, device->writable ? "" : "r", fd_list_add(list, device->fd));
    return 0;
}

/* Its network devices need the driver CONFIG_UML_NET_VECTOR, which our kernel does not have: a job has no use
 * for it. */
static int refuse_extras(const struct vm_extras *extras, struct pe_error *err)
{
    if (extras->nic_count)
        return pe_fail(
            err, PE_ERR_INVALID,
            "User Mode Linux cannot give this VM a network device: its kernel was compiled without "
            "CONFIG_UML_NET_VECTOR");
    if (extras->vsock_cid)
        return pe_fail(err, PE_ERR_INVALID, "User Mode Linux has no vsock");
    return 0;
}

static int add_disks(struct argv_builder *args, struct fd_list *list, const struct vm_extras *extras,
                     struct pe_error *err)
{
    if (refuse_extras(extras, err) < 0)
        return -1;
    for (size_t i = 0; i < extras->disk_count; i++) {
        const struct vm_disk *disk = &extras->disks[i];
        if (is_copy_on_write(disk->fd))
            return pe_fail(err, PE_ERR_INVALID,
                           "disk %zu begins as a copy-on-write file of User Mode Linux does", i);
        argv_add(args, "ubd%zu%scd=fd:%d", i, disk->writable ? "" : "r", fd_list_add(list, disk->fd));
    }
    return 0;
}

static int add_devices(struct argv_builder *args, struct fd_list *list, const struct vm_spec *spec,
                       struct pe_error *err)
{
    if (spec->extras)
        return add_disks(args, list, spec->extras, err);
    for (int i = 0; i < VM_PMEM_COUNT; i++)
        if (add_device(args, list, i, &spec->pmem[i], err) < 0)
            return -1;
    return 0;
}

/* Sized by the memory, the kernel's hash tables take 3 MB, which cost 3 ms at each boot. */
static const char *const small_tables[] = {
    "dhash_entries=16384", "ihash_entries=8192",    "mhash_entries=256", "mphash_entries=256",
    "thash_entries=512",   "tcp_bhash_entries=512", "uhash_entries=256"};

/* The operator's choice for trusted programs (pe-worker --uml-seccomp). */
static bool uses_seccomp(const struct vm_host *host)
{
    return host->cpu_flags && strcmp(host->cpu_flags, ENGINE_UML_SECCOMP) == 0;
}

static void add_machine(struct argv_builder *args, const struct vm_host *host, const struct vm_spec *spec)
{
    argv_add(args, "%s", host->uml_kernel);
    argv_add(args, "mem=%uM", spec->memory_mib);
    argv_add(args, "con=null");
    /* Without a console, the kernel writes its messages to the log when it panics. */
    argv_add(args, "%s", spec->extras ? "console=ttyS0" : "console=none");
    argv_add(args, "ssl=null");
    argv_add(args, "panic=-1");
    argv_add(args, "noreboot");
    argv_add(args, "%s", spec->extras ? "loglevel=7" : "quiet");
    /* With ptrace, that is without seccomp, guest programs can make no system call of the host. */
    argv_add(args, "%s", uses_seccomp(host) ? "seccomp=on" : "seccomp=off");
    argv_add(args, "lpj=40000000");
    for (size_t i = 0; i < sizeof small_tables / sizeof *small_tables; i++)
        argv_add(args, "%s", small_tables[i]);
    argv_add(args, "pe_devices=ubd"); /* proto/guest-contract.md */
    argv_add(args, "%s", spec->guest_options + strspn(spec->guest_options, " "));
}

/* The root file system of the guest: root.squashfs beside the initramfs, which is read where it is needed.
 * An initramfs would be in memory twice, and costs 12 ms of CPU time and 16 MB. But one that was made
 * elsewhere is used as it is. */
static int open_root(const char *initramfs, int *is_squashfs, struct pe_error *err)
{
    char path[4096];
    const char *slash = strrchr(initramfs, '/');
    int length = slash ? (int)(slash + 1 - initramfs) : 0;
    snprintf(path, sizeof path, "%.*sroot.squashfs", length, initramfs);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *is_squashfs = fd >= 0;
    return fd >= 0 ? fd : vmm_open_file(initramfs, err);
}

static void add_root(struct argv_builder *args, int fd, int is_squashfs)
{
    if (!is_squashfs) {
        argv_add(args, "initrd=fd:%d", fd);
        return;
    }
    argv_add(args, "ubd%drcd=fd:%d", VM_PMEM_COUNT, fd);
    argv_add(args, "root=/dev/ubd%c", 'a' + VM_PMEM_COUNT);
    argv_add(args, "rootfstype=squashfs");
    argv_add(args, "init=/init");
}

static int open_kernel(const struct vm_host *host, struct pe_error *err)
{
    int fd = open(host->uml_kernel, O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd
                   : pe_fail_errno(err, "cannot open %s, which `make uml-kernel` compiles", host->uml_kernel);
}

/* Each process of the guest needs a few descriptors of the kernel. */
#define DESCRIPTORS 65536
/* Each address space of the guest is a process of the host. A job has 512 processes at most. */
#define PROCESSES 2048

/* What a VMM inherits besides the files of its devices; -1: nothing. */
struct inheritance {
    int kernel, root;
    int serial, agent; /* the VMM's ends */
    int cpuinfo;       /* what the guest's /proc/cpuinfo names; without it, the guest only lacks the names */
    int root_is_squashfs;
};

static void close_inheritance(struct inheritance *given)
{
    pe_cleanup_close(&given->kernel);
    pe_cleanup_close(&given->root);
    pe_cleanup_close(&given->serial);
    pe_cleanup_close(&given->agent);
    pe_cleanup_close(&given->cpuinfo);
}

static int open_inheritance(const struct vm_host *host, const struct vm_spec *spec, struct vm *vm,
                            struct inheritance *given, struct pe_error *err)
{
    if ((given->kernel = open_kernel(host, err)) < 0)
        return -1;
    given->root = spec->extras ? vmm_open_file(host->initramfs, err)
                               : open_root(host->initramfs, &given->root_is_squashfs, err);
    if (given->root < 0 || vmm_open_serial(&vm->serial_fd, &given->serial, err) < 0 ||
        (spec->extras && vmm_open_serial(&vm->agent_fd, &given->agent, err) < 0))
        return -1;
    given->cpuinfo = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
    return 0;
}

static int add_arguments(struct argv_builder *args, struct fd_list *list, const struct vm_host *host,
                         const struct vm_spec *spec, const struct inheritance *given, struct pe_error *err)
{
    add_machine(args, host, spec);
    add_root(args, fd_list_add(list, given->root), given->root_is_squashfs);
    if (given->cpuinfo >= 0)
        argv_add(args, "cpuinfo=fd:%d", fd_list_add(list, given->cpuinfo));
    argv_add(args, "ssl0=fd:%d", fd_list_add(list, given->serial));
    if (given->agent >= 0)
        argv_add(args, "ssl1=fd:%d", fd_list_add(list, given->agent));
    if (add_devices(args, list, spec, err) < 0)
        return -1;
    return args->overflow ? pe_fail(err, PE_ERR_INTERNAL, "the command line of User Mode Linux is too long")
                          : 0;
}

static const struct syscall_list *syscalls_for(const struct vm_host *host, const struct vm_spec *spec)
{
    if (spec->extras)
        return NULL;
    return uses_seccomp(host) ? &syscalls_uml_seccomp : &syscalls_uml;
}

static int uml_boot(const struct vm_host *host, const struct vm_spec *spec, struct vm *vm,
                    struct pe_error *err)
{
    /* User Mode Linux takes the end of its address space from the address of a variable. PATH would
     * not do, because it replaces that one. */
    static char *const environment[] = {(char *)"LC_ALL=C", NULL};
    struct argv_builder args = {0};
    struct fd_list list = {0};
    __attribute__((cleanup(close_inheritance))) struct inheritance given = {-1, -1, -1, -1, -1, 0};
    if (check(spec, err) < 0 || open_inheritance(host, spec, vm, &given, err) < 0 ||
        add_arguments(&args, &list, host, spec, &given, err) < 0)
        return -1;
    const struct vmm_process_needs needs = {.memory_mib = spec->memory_mib,
                                            .cpus = spec->cpus,
                                            .processes = PROCESSES,
                                            .one_cpu = true,
                                            .writes_disks = spec->extras != NULL,
                                            .fixed_addresses = true,
                                            .descriptors = DESCRIPTORS,
                                            .environment = environment,
                                            .syscalls = syscalls_for(host, spec),
                                            .program = fd_list_add(&list, given.kernel)};
    return vmm_process_start(host, args.argv, &list, &needs, vm, err);
}

/* An option of our newest patch that this driver needs, as the kernel's --help lists it. Another kernel,
 * as that of Debian, would find none of its files, and its guest would only say that it has no devices. */
static const char needed_option[] = "\ncpuinfo=<file>\n";

static int uml_version(const struct vm_host *host, char *text, size_t size, struct pe_error *err)
{
    char line[256], help[16384];
    if (vmm_process_query(host->uml_kernel, "--version", line, sizeof line, err) < 0 ||
        vmm_process_ask(host->uml_kernel, "--help", help, sizeof help, err) < 0)
        return pe_fail_context(err, "User Mode Linux needs a kernel, which `make uml-kernel` compiles");
    if (!strstr(help, needed_option))
        return pe_fail(err, PE_ERR_INVALID,
                       "the User Mode Linux kernel %s (%s) is too old, or was compiled without the patches "
                       "of this project; `make uml-kernel` compiles one",
                       host->uml_kernel, line);
    snprintf(text, size, "%s", line);
    return 0;
}

/* The kernel is a static program, and executed through a descriptor. */
static int uml_files(const struct vm_host *host, struct jail_files *files, struct pe_error *err)
{
    (void)host, (void)files, (void)err;
    return 0;
}

const struct vmm_driver vmm_uml = {.name = "uml",
                                   .title = "User Mode Linux",
                                   .control = &uml_control,
                                   .opens_nothing = true,
                                   .version = uml_version,
                                   .files = uml_files,
                                   .boot = uml_boot};
