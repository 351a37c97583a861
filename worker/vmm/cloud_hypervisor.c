/* SPDX-License-Identifier: Apache-2.0 */
/* The cloud-hypervisor driver: one VMM per VM, controlled over REST through a socket in the VM's
 * folder. ch_config.c has the configuration of a VM, and ch_api.c the calls.
 *
 * It works around these properties of cloud-hypervisor (docs/cloud-hypervisor.md has the full
 * list):
 * - A reboot of the guest stays in the process, and a kernel panic is a reboot (panic=-1). The
 * kernel is therefore given by a name that is removed after the boot: the second boot fails and
 * ends the process.
 * - The exit code carries no information. The end of the VM is the end of the process, which its
 * pidfd and the serial port report.
 * - It never removes its sockets. They are in the VM's folder, which is removed as a whole.
 * - Clones share memory only if the template's RAM is a named file, mapped shared, that the clones
 * map privately. */
#include "base/cleanup.h"
#include "base/io.h"
#include "proto/job_spec.h"
#include "proto/limits.h"
#include "worker/vmm/ch_api.h"
#include "worker/vmm/ch_config.h"
#include "worker/vmm/ch_state.h"
#include "worker/vmm/control.h"
#include "worker/vmm/dialog.h"
#include "worker/vmm/driver.h"
#include "worker/vmm/process.h"
#include "worker/vmm/run_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

/* The first release in which `cpus.nested` hides AMD's SVM from guests (its commit f57b7c5b8). The option
 * itself, which hides Intel's VMX, is as old as v50, and clones can share memory since v51 (2c2f5d243,
 * #7674). */
#define OLDEST_RELEASE 52u

/* The longest path of a socket, with the NUL: unix(7). */
#define SOCKET_PATH_MAX sizeof(((struct sockaddr_un *)NULL)->sun_path)

/* Bound on the time from fork until the VM runs. The guest's boot is not waited for. */
#define BOOT_MS 20000u

/* ---- the VM's folder ---- */

static int path_in(const struct vm *vm, const char *name, char *path, size_t size, struct pe_error *err)
{
    int length = snprintf(path, size, "%s/%s", vm->run_dir, name);
    if (length > 0 && (size_t)length < size)
        return 0;
    return pe_fail(err, PE_ERR_TOO_LARGE, "the path %s is too long; use --run-dir", vm->run_dir);
}

/* Create a file in the VM's folder. It belongs to the VMM's user. */
static int make_file(const struct vm_host *host, const struct vm *vm, const char *name, struct pe_error *err)
{
    char path[160];
    if (path_in(vm, name, path, sizeof path, err) < 0)
        return -1;
    pe_autoclose int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || (geteuid() == 0 && fchown(fd, host->uid, host->gid) < 0))
        return pe_fail_errno(err, "cannot create %s", path);
    return pe_steal_fd(&fd);
}

static int write_file(const struct vm_host *host, const struct vm *vm, const char *name, const void *bytes,
                      size_t size, struct pe_error *err)
{
    pe_autoclose int fd = make_file(host, vm, name, err);
    return fd < 0 ? -1 : pe_write_all(fd, bytes, size, name, err);
}

/* Create a symbolic link to what the VMM inherits as descriptor `fd`. */
static int link_fd(const struct vm *vm, const char *name, int fd, struct pe_error *err)
{
    char path[160], target[32];
    snprintf(target, sizeof target, "/proc/self/fd/%d", fd);
    if (path_in(vm, name, path, sizeof path, err) < 0)
        return -1;
    return symlink(target, path) == 0 ? 0 : pe_fail_errno(err, "cannot create %s", path);
}

static void unlink_in(const struct vm *vm, const char *name)
{
    char path[160];
    struct pe_error ignored;
    if (path_in(vm, name, path, sizeof path, &ignored) == 0)
        unlink(path);
}

/* Create the file for the memory of a template. Its file system may be small, and a VMM that writes
 * to a page without room is killed by SIGBUS, so the room is checked before. */
static int make_memory(const struct vm_host *host, const struct vm_spec *spec, const struct vm *vm,
                       struct pe_error *err)
{
    struct statvfs room;
    pe_autoclose int fd = make_file(host, vm, CH_MEMORY, err);
    if (fd < 0)
        return -1;
    if (fstatvfs(fd, &room) < 0 || ftruncate(fd, (off_t)spec->memory_mib << 20) < 0)
        return pe_fail_errno(err, "cannot create the memory of a VM in %s", vm->run_dir);
    uint64_t free_mib = (uint64_t)room.f_bavail * room.f_frsize / PE_MIB;
    if (free_mib < spec->memory_mib)
        return pe_fail(
            err, PE_ERR_TOO_LARGE,
            "%s has room for %llu MiB, but a cloud-hypervisor template needs %u MiB; use --run-dir",
            host->run_dir, (unsigned long long)free_mib, spec->memory_mib);
    return 0;
}

/* ---- starting the VMM ---- */

/* The sizes are checked here: cloud-hypervisor maps a file that is too short, and dies when the
 * guest touches what is behind its end. */
static int add_pmem_files(struct fd_list *list, const struct vm_spec *spec, struct ch_fds *fds,
                          struct pe_error *err)
{
    for (int i = 0; i < VM_PMEM_COUNT; i++) {
        struct stat status;
        fds->pmem[i] = -1;
        if (spec->pmem[i].fd < 0)
            continue;
        if (fstat(spec->pmem[i].fd, &status) < 0)
            return pe_fail_errno(err, "cannot examine the file of pmem device %d", i);
        if ((uint64_t)status.st_size < spec->pmem[i].bytes || spec->pmem[i].bytes % PE_PMEM_ALIGN)
            return pe_fail(err, PE_ERR_INVALID, "pmem device %d needs %llu bytes, but its file has %lld", i,
                           (unsigned long long)spec->pmem[i].bytes, (long long)status.st_size);
        fds->pmem[i] = fd_list_add(list, spec->pmem[i].fd);
    }
    return 0;
}

static int start(const struct vm_host *host, const struct vm_spec *spec, const struct fd_list *list,
                 struct vm *vm, struct pe_error *err)
{
    char socket[SOCKET_PATH_MAX], where[176];
    if (host->cpu_flags[0])
        return pe_fail(err, PE_ERR_INVALID, "cloud-hypervisor has no option for the CPU flags '%s'",
                       host->cpu_flags);
    if (path_in(vm, CH_API_SOCKET, socket, sizeof socket, err) < 0)
        return -1;
    snprintf(where, sizeof where, "path=%s", socket);
    const char *const argv[] = {host->cloud_hypervisor, "--api-socket", where, "--seccomp", "true", NULL};
    const struct vmm_process_needs needs = {.memory_mib = spec->memory_mib,
                                            .cpus = spec->cpus,
                                            .processes = 128,
                                            .writes_disks = spec->extras != NULL,
                                            .syscalls = spec->extras ? NULL : &syscalls_cloud_hypervisor};
    return vmm_process_start(host, (char *const *)(uintptr_t)argv, list, &needs, vm, err);
}

/* ---- what is said to the VMM, in a process without rights ---- */

struct talk {
    const struct vm_spec *spec;
    struct ch_fds fds;
    int state_fd;
    uint64_t start_us, deadline_us;
};

/* Wait until the VMM accepts calls. `socket` gets the path of its API socket. */
static int begin(const struct vm *vm, uint64_t deadline_us, char *socket, size_t socket_size,
                 struct ch_api *api, struct pe_error *err)
{
    if (path_in(vm, CH_API_SOCKET, socket, socket_size, err) < 0 ||
        ch_api_begin(api, socket, vm->pidfd, deadline_us, err) < 0)
        return -1;
    return ch_api_await_socket(api, err);
}

static int connect_serial(struct vm *vm, struct pe_error *err)
{
    char path[SOCKET_PATH_MAX];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path_in(vm, CH_SERIAL_SOCKET, path, sizeof path, err) < 0)
        return -1;
    pe_autoclose int port = run_dir_open_socket(path, err);
    if (port < 0)
        return -1;
    run_dir_socket_address(port, address.sun_path);
    vm->serial_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (vm->serial_fd < 0 || connect(vm->serial_fd, (struct sockaddr *)&address, sizeof address) < 0)
        return pe_fail_errno(err, "cannot connect to the serial port %s", path);
    return 0;
}

/* ---- boot ---- */

/* The serial port exists after vm.create. We connect before the boot, because up to v52 the guest's
 * output is lost while nobody is connected. */
static int create_and_boot(struct ch_api *api, json_t *config, struct vm *vm, struct pe_error *err)
{
    if (ch_api_create(api, config, err) < 0 || connect_serial(vm, err) < 0)
        return -1;
    return ch_api_boot(api, err);
}

static int say_boot(const struct vm_host *host, struct vm *vm, void *context, struct pe_error *err)
{
    const struct talk *talk = context;
    char socket[SOCKET_PATH_MAX];
    autochapi struct ch_api api = CH_API_NONE;
    (void)host;
    if (begin(vm, talk->deadline_us, socket, sizeof socket, &api, err) < 0 ||
        create_and_boot(&api, ch_config_boot(talk->spec, &talk->fds, vm->run_dir), vm, err) < 0)
        return vmm_explain(vm, err);
    return 0;
}

/* What only VMs with extras have: their disks, and a file for their console, which belongs to the VMM's user.
 */
static int prepare_extras(const struct vm_host *host, const struct vm_extras *extras, const struct vm *vm,
                          struct fd_list *list, struct ch_fds *fds, struct pe_error *err)
{
    if (extras->nic_count)
        return pe_fail(
            err, PE_ERR_INVALID,
            "pe-vm cannot give a VM of cloud-hypervisor a network device: its API takes descriptors of "
            "TAP devices only together with a request, which the driver does not send");
    for (size_t i = 0; i < extras->disk_count; i++)
        fds->disks[i] = fd_list_add(list, extras->disks[i].fd);
    return write_file(host, vm, CH_CONSOLE, "", 0, err);
}

/* The serial port is the agent's, and the console is the file. */
static int take_ports(struct vm *vm, struct pe_error *err)
{
    vm->agent_fd = pe_steal_fd(&vm->serial_fd);
    vm->serial_fd = run_dir_open_file(vm->run_dir, CH_CONSOLE, err);
    return vm->serial_fd < 0 ? -1 : 0;
}

static int ch_boot(const struct vm_host *host, const struct vm_spec *spec, struct vm *vm,
                   struct pe_error *err)
{
    struct fd_list list = {0};
    struct talk talk = {.spec = spec, .fds = {.memory = -1}, .deadline_us = pe_now_us() + BOOT_MS * 1000ull};
    pe_autoclose int initramfs = -1;
    pe_autoclose int kernel = vmm_open_file(host->kernel, err);
    if (kernel < 0 || (initramfs = vmm_open_file(host->initramfs, err)) < 0 ||
        run_dir_make(host, vm, err) < 0 || link_fd(vm, CH_KERNEL, fd_list_add(&list, kernel), err) < 0 ||
        link_fd(vm, CH_INITRAMFS, fd_list_add(&list, initramfs), err) < 0 ||
        add_pmem_files(&list, spec, &talk.fds, err) < 0 ||
        (spec->extras && prepare_extras(host, spec->extras, vm, &list, &talk.fds, err) < 0) ||
        (spec->savable && make_memory(host, spec, vm, err) < 0))
        return -1;
    if (start(host, spec, &list, vm, err) < 0 ||
        vmm_dialog(host, vm, talk.deadline_us, say_boot, &talk, -1, err) < 0)
        return -1;
    unlink_in(vm, CH_KERNEL);
    unlink_in(vm, CH_INITRAMFS);
    return spec->extras ? take_ports(vm, err) : 0;
}

/* ---- snapshots ---- */

static int say_save(const struct vm_host *host, struct vm *vm, void *context, struct pe_error *err)
{
    const struct talk *talk = context;
    char socket[SOCKET_PATH_MAX];
    autochapi struct ch_api api = CH_API_NONE;
    (void)host;
    if (begin(vm, talk->deadline_us, socket, sizeof socket, &api, err) < 0)
        return -1;
    if (ch_api_pause(&api, err) < 0 || ch_api_snapshot(&api, vm->run_dir, err) < 0)
        return vmm_explain(vm, err);
    if (ch_state_pack(vm->run_dir, talk->state_fd, err) < 0)
        return -1;
    return ch_state_copy_memory(vm->run_dir, vm->memory_fd, err);
}

static int ch_save(const struct vm_host *host, struct vm *vm, int state_fd, struct pe_error *err)
{
    struct talk talk = {.state_fd = state_fd, .deadline_us = pe_now_us() + VM_SAVE_MS * 1000ull};
    return vmm_dialog(host, vm, talk.deadline_us, say_save, &talk, state_fd, err);
}

/* Write the files that vm.restore reads, changed for this clone. */
static int write_snapshot(const struct vm_host *host, const struct vm_spec *spec, const struct vm *vm,
                          int state_fd, const struct ch_fds *fds, struct pe_error *err)
{
    pe_autojson json_t *config = NULL;
    pe_autobuf struct pe_buf state = {0};
    if (ch_state_unpack(state_fd, &config, &state, err) < 0 ||
        ch_config_clone(config, spec, fds, vm->run_dir, err) < 0)
        return -1;
    pe_autofree char *text = json_dumps(config, JSON_COMPACT);
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot encode config.json of a clone");
    if (write_file(host, vm, CH_CONFIG, text, strlen(text), err) < 0)
        return -1;
    return write_file(host, vm, CH_STATE, state.data, state.size, err);
}

/* The VMM has been started, and reads the files when it is told to. */
static int say_restore(const struct vm_host *host, struct vm *vm, void *context, struct pe_error *err)
{
    const struct talk *talk = context;
    char socket[SOCKET_PATH_MAX];
    autochapi struct ch_api api = CH_API_NONE;
    if (write_snapshot(host, talk->spec, vm, talk->state_fd, &talk->fds, err) < 0)
        return -1;
    if (begin(vm, talk->deadline_us, socket, sizeof socket, &api, err) < 0)
        return vmm_explain(vm, err);
    vm->spawn_us = pe_now_us() - talk->start_us;
    if (ch_api_restore(&api, vm->run_dir, err) < 0 || connect_serial(vm, err) < 0 ||
        ch_api_resume(&api, err) < 0)
        return vmm_explain(vm, err);
    vm->restore_us = pe_now_us() - talk->start_us - vm->spawn_us;
    return 0;
}

static int ch_clone(const struct vm_host *host, const struct vm_spec *spec,
                    const struct vm_snapshot *snapshot, struct vm *vm, struct pe_error *err)
{
    const uint64_t start_us = pe_now_us();
    struct fd_list list = {0};
    struct talk talk = {.spec = spec,
                        .fds = {.memory = fd_list_add(&list, snapshot->memory_fd)},
                        .state_fd = snapshot->state_fd,
                        .start_us = start_us,
                        .deadline_us = start_us + VM_CLONE_MS * 1000ull};
    if (add_pmem_files(&list, spec, &talk.fds, err) < 0 || run_dir_make(host, vm, err) < 0 ||
        start(host, spec, &list, vm, err) < 0)
        return -1;
    return vmm_dialog(host, vm, talk.deadline_us, say_restore, &talk, snapshot->state_fd, err);
}

/* ---- version ---- */

/* Parse the two numbers of a release: "v53.0". */
static int parse_release(const char *text, unsigned *major, unsigned *minor, struct pe_error *err)
{
    if (sscanf(text + (text[0] == 'v'), "%u.%u", major, minor) == 2)
        return 0;
    return pe_fail(err, PE_ERR_MALFORMED, "'%.40s' is not a release of cloud-hypervisor", text);
}

static int ch_version(const struct vm_host *host, char *text, size_t size, struct pe_error *err)
{
    static const char before[] = "cloud-hypervisor ";
    char line[256];
    unsigned major, minor;
    if (vmm_process_query(host->cloud_hypervisor, "--version", line, sizeof line, err) < 0)
        return -1;
    if (strncmp(line, before, strlen(before)) != 0)
        return pe_fail(err, PE_ERR_INTERNAL, "%s --version printed '%.100s', which has no version",
                       host->cloud_hypervisor, line);
    if (parse_release(line + strlen(before), &major, &minor, err) < 0)
        return -1;
    if (major < OLDEST_RELEASE)
        return pe_fail(
            err, PE_ERR_INVALID,
            "cloud-hypervisor v%u.%u is too old: it lets guests run VMs of their own; v%u is needed", major,
            minor, OLDEST_RELEASE);
    /* v52 copies private memory to memfds; its commit 547a78999, in v53, reverts that. */
    snprintf(text, size, "%s%s", line + strlen(before) + (line[strlen(before)] == 'v'),
             major == 52 && minor == 0 ? " (keeps private memory in memfds; v53 is denser)" : "");
    return 0;
}

/* The guest gets its first entropy from /dev/urandom. */
static int ch_files(const struct vm_host *host, struct jail_files *files, struct pe_error *err)
{
    if (jail_files_add_program(files, host->cloud_hypervisor, err) < 0)
        return -1;
    return jail_files_add(files, JAIL_FILE_DEVICE, "/dev/urandom", err);
}

const struct vmm_driver vmm_cloud_hypervisor = {.name = "cloud-hypervisor",
                                                .title = "cloud-hypervisor",
                                                .control = &ch_control,
                                                .version = ch_version,
                                                .files = ch_files,
                                                .boot = ch_boot,
                                                .save = ch_save,
                                                .clone = ch_clone};
