/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing driver and acceleration of a VM, and finding its files. */
#include "vm/engine.h"

#include "base/cleanup.h"
#include "base/home.h"
#include "worker/vmm/cgroup.h"
#include "worker/vmm/driver.h"
#include "worker/vmm/kvm.h"
#include "worker/vmm/run_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534u

/* Nothing shows here whether a kernel runs under PVM, so there KVM is used only if it is asked for and the
 * kernel is another one than the usual one. */
static int choose_driver(const struct vmconfig *config, struct vm_host *host, struct pe_error *err)
{
    const char *name = config->engine;
    struct pe_error why;
    host->accel = VM_ACCEL_KVM;
    if (!strcmp(name, "uml")) {
        host->driver = &vmm_uml;
        host->accel = VM_ACCEL_NONE;
    } else if (!strcmp(name, "cloud-hypervisor")) {
        host->driver = &vmm_cloud_hypervisor;
    } else {
        host->driver = &vmm_qemu;
        if (!strcmp(name, "qemu+tcg") || (!strcmp(name, "qemu") && kvm_check("", false, &why) < 0))
            host->accel = VM_ACCEL_TCG;
    }
    if (!strcmp(name, "qemu+kvm") && kvm_check("", config->kernel[0] != '\0', err) < 0)
        return pe_fail_context(err, "KVM does not work on this host, and the engine qemu+tcg needs none");
    return 0;
}

static int choose_file(const char *wanted, const char *below, char path[PATH_MAX], struct pe_error *err)
{
    if (wanted[0]) {
        memcpy(path, wanted, strlen(wanted) + 1);
        return 0;
    }
    return pe_home_path(below, path, PATH_MAX, err);
}

/* The programs of VMMs; the variables are for tests. */
static void choose_program(const char *variable, const char *otherwise, char path[PATH_MAX])
{
    const char *named = getenv(variable);
    if (!realpath(named ? named : otherwise, path))
        snprintf(path, PATH_MAX, "%s", named ? named : otherwise);
}

/* More files and folders for the jail of a VMM, divided by ':'. A VMM that is a script needs its interpreter.
 */
static int choose_paths(struct vm_engine *engine, struct pe_error *err)
{
    const char *paths = getenv("PE_VM_PATHS");
    if (!paths)
        return 0;
    if (strlen(paths) >= sizeof engine->paths)
        return pe_fail(err, PE_ERR_INVALID, "PE_VM_PATHS is too long");
    memcpy(engine->paths, paths, strlen(paths) + 1);
    char *rest = engine->paths;
    for (char *path; (path = strsep(&rest, ":")) && engine->host.vmm_path_count < VM_ENGINE_PATHS_MAX;)
        if (path[0] == '/')
            engine->path_list[engine->host.vmm_path_count++] = path;
    engine->host.vmm_paths = engine->path_list;
    return 0;
}

static int find_files(struct vm_engine *engine, const struct vmconfig *config, struct pe_error *err)
{
    const bool is_uml = engine->host.driver == &vmm_uml;
    choose_program("PE_VM_QEMU", "/usr/bin/qemu-system-x86_64", engine->qemu);
    choose_program("PE_VM_CLOUD_HYPERVISOR", "/usr/bin/cloud-hypervisor", engine->cloud_hypervisor);
    engine->host.qemu = engine->qemu;
    engine->host.cloud_hypervisor = engine->cloud_hypervisor;
    engine->host.kernel = engine->kernel;
    engine->host.initramfs = engine->initramfs;
    engine->host.uml_kernel = engine->uml_kernel;
    if (choose_paths(engine, err) < 0)
        return -1;
    if (choose_file(is_uml ? "" : config->kernel, "guest/vmlinux", engine->kernel, err) < 0 ||
        choose_file(is_uml ? config->kernel : "", "guest/uml/linux", engine->uml_kernel, err) < 0)
        return -1;
    return choose_file(config->initramfs, "guest/vm/initramfs.cpio", engine->initramfs, err);
}

static int open_disks(struct vm_engine *engine, const struct vmconfig *config, struct pe_error *err)
{
    for (uint32_t i = 0; i < config->disk_count; i++) {
        const struct vmconfig_disk *disk = &config->disks[i];
        if (disk->qcow2 && engine->host.driver != &vmm_qemu)
            return pe_fail(err, PE_ERR_INVALID, "%s reads no qcow2 file, as %s is; only QEMU does",
                           engine->host.driver->title, disk->path);
        const int fd = open(disk->path, (disk->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
        if (fd < 0)
            return pe_fail_errno(err, "cannot open the disk %s", disk->path);
        engine->extras.disks[engine->extras.disk_count++] =
            (struct vm_disk){.fd = fd, .writable = !disk->readonly, .qcow2 = disk->qcow2};
    }
    return 0;
}

/* A CPU for a VMM that has to stay on one; the kernel chooses another one if this may not be used. */
static uint32_t choose_cpu(void)
{
    cpu_set_t allowed;
    const int count = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
    int left = (int)getpid() % (count > 0 ? count : 1);
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && left-- == 0)
            return cpu;
    return 0;
}

static void fill_spec(struct vm_engine *engine, const struct vmconfig *config)
{
    engine->spec = (struct vm_spec){.memory_mib = config->memory_mib,
                                    .cpus = config->cpus,
                                    .guest_options = engine->options,
                                    .savable = engine->host.driver == &vmm_qemu,
                                    .extras = &engine->extras};
    for (int i = 0; i < VM_PMEM_COUNT; i++)
        engine->spec.pmem[i].fd = -1;
    engine->extras.memory_max_mib = config->memory_max_mib;
    engine->extras.cpus_max = config->cpus_max;
    engine->extras.vsock_cid = config->vsock_cid;
    snprintf(engine->options, sizeof engine->options, "%s%s", config->append[0] ? " " : "", config->append);
}

int vm_engine_open(struct vm_engine *engine, const struct vmconfig *config, const char *run_dir,
                   struct pe_error *err)
{
    char version[VMM_VERSION_MAX];
    memset(engine, 0, sizeof *engine);
    snprintf(engine->run_dir, sizeof engine->run_dir, "%s", run_dir);
    engine->host.run_dir = engine->run_dir;
    engine->host.cpu_flags = "";
    engine->host.cpu = choose_cpu();
    engine->host.uid = engine->host.gid = NOBODY;
    if (choose_driver(config, &engine->host, err) < 0 || find_files(engine, config, err) < 0)
        return -1;
    fill_spec(engine, config);
    if (vm_host_version(&engine->host, version, sizeof version, err) < 0 ||
        open_disks(engine, config, err) < 0 || vm_host_confine(&engine->host, err) < 0) {
        vm_engine_close(engine);
        return -1;
    }
    vm_sweep(&engine->host);
    return 0;
}

void vm_engine_close(struct vm_engine *engine)
{
    for (size_t i = 0; i < engine->extras.disk_count; i++)
        close(engine->extras.disks[i].fd);
    engine->extras.disk_count = 0;
    vm_host_release(&engine->host);
}

/* Looking for cgroups moves a process to another one, so another process does it. */
void vm_engine_sweep(const char *run_dir)
{
    run_dir_sweep(run_dir);
    const pid_t pid = fork();
    if (pid == 0) {
        struct cgroup_base base = CGROUP_BASE_NONE;
        char why[CGROUP_CONTROLLERS][200];
        cgroup_base_open(&base, why);
        cgroup_sweep(&base);
        _exit(0);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
