/* SPDX-License-Identifier: Apache-2.0 */
/* What all VMMs have in common: the files that a VM owns, the end of a VM, and the sealing of a
 * snapshot. How a VMM is controlled is in its driver. */
#include "worker/vmm/vmm.h"

#include "base/cleanup.h"
#include "worker/vmm/driver.h"
#include "worker/vmm/jail.h"
#include "worker/vmm/last_words.h"
#include "worker/vmm/process.h"
#include "worker/vmm/run_dir.h"
#include "worker/vmm/sparse_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail_and_kill(struct vm *vm)
{
    vm_kill(vm);
    return -1;
}

/* A VMM cannot print more than this: later writes fail. */
#define LOG_BYTES 65536

static int make_log(struct vm *vm, struct pe_error *err)
{
    vm->log_fd = memfd_create("vmm-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (vm->log_fd < 0 || ftruncate(vm->log_fd, LOG_BYTES) < 0 ||
        fcntl(vm->log_fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        return pe_fail_errno(err, "cannot create a memfd for the output of a VMM");
    return 0;
}

static int make_memory(const struct vm_spec *spec, struct vm *vm, struct pe_error *err)
{
    vm->memory_fd = memfd_create("pe-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (vm->memory_fd < 0 || ftruncate(vm->memory_fd, (off_t)spec->memory_mib << 20) < 0)
        return pe_fail_errno(err, "cannot create a memory file of %u MiB", spec->memory_mib);
    return 0;
}

int vm_boot(const struct vm_host *host, const struct vm_spec *spec, struct vm *vm, struct pe_error *err)
{
    *vm = VM_NONE;
    if (make_log(vm, err) < 0 || (spec->savable && make_memory(spec, vm, err) < 0) ||
        host->driver->boot(host, spec, vm, err) < 0)
        return fail_and_kill(vm);
    return 0;
}

int vm_clone(const struct vm_host *host, const struct vm_spec *spec, const struct vm_snapshot *snapshot,
             struct vm *vm, struct pe_error *err)
{
    *vm = VM_NONE;
    if (make_log(vm, err) < 0 || host->driver->clone(host, spec, snapshot, vm, err) < 0)
        return fail_and_kill(vm);
    return 0;
}

int vm_restore(const struct vm_host *host, const struct vm_spec *spec, int memory_fd, int state_fd,
               struct vm *vm, struct pe_error *err)
{
    *vm = VM_NONE;
    if (!host->driver->restore)
        return pe_fail(err, PE_ERR_INVALID, "%s cannot restore a VM from a snapshot", host->driver->title);
    if (make_log(vm, err) < 0 || make_memory(spec, vm, err) < 0 ||
        sparse_copy(memory_fd, vm->memory_fd, "the memory of a snapshot", err) < 0 ||
        host->driver->restore(host, spec, state_fd, vm, err) < 0)
        return fail_and_kill(vm);
    return 0;
}

/* The seal allows private mappings, which clones use. A VMM that was taken over cannot write to the
 * file. */
static int seal(int fd, struct pe_error *err)
{
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
        return 0;
    return pe_fail_errno(err, "cannot seal a snapshot");
}

int vm_save(const struct vm_host *host, struct vm *vm, struct vm_snapshot *snapshot, struct pe_error *err)
{
    *snapshot = VM_SNAPSHOT_NONE;
    snapshot->state_fd = memfd_create("pe-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int failed = snapshot->state_fd < 0 ? pe_fail_errno(err, "cannot create a memfd for a snapshot")
                                        : host->driver->save(host, vm, snapshot->state_fd, err);
    snapshot->memory_fd = vm->memory_fd;
    vm->memory_fd = -1;
    vm_kill(vm); /* a seal is refused while a process has the memory mapped for writing */
    if (!failed && seal(snapshot->memory_fd, err) == 0 && seal(snapshot->state_fd, err) == 0)
        return 0;
    vm_snapshot_close(snapshot);
    return pe_fail_context(err, "cannot save a VM");
}

static void close_and_forget(int *fd)
{
    pe_cleanup_close(fd);
    *fd = -1;
}

void vm_snapshot_close(struct vm_snapshot *snapshot)
{
    close_and_forget(&snapshot->memory_fd);
    close_and_forget(&snapshot->state_fd);
}

void vm_kill(struct vm *vm)
{
    vmm_process_kill(vm);
    close_and_forget(&vm->pidfd);
    close_and_forget(&vm->serial_fd);
    close_and_forget(&vm->log_fd);
    close_and_forget(&vm->manage_fd);
    close_and_forget(&vm->memory_fd);
    close_and_forget(&vm->agent_fd);
    run_dir_remove(vm);
    if (vm->jail)
        cgroup_remove(&vm->jail->cgroups, vm->cgroup);
    *vm = VM_NONE;
}

int vm_host_version(const struct vm_host *host, char *text, size_t size, struct pe_error *err)
{
    return host->driver->version(host, text, size, err);
}

int vm_host_confine(struct vm_host *host, struct pe_error *err)
{
    host->jail = jail_make(host, err);
    return host->jail ? 0 : -1;
}

void vm_host_release(struct vm_host *host)
{
    jail_free(host->jail);
    host->jail = NULL;
}

void vm_sweep(const struct vm_host *host)
{
    run_dir_sweep(host->run_dir);
    if (host->jail)
        cgroup_sweep(&host->jail->cgroups);
}

void vm_last_words(const struct vm *vm, char text[VM_LAST_WORDS_MAX])
{
    char log[4096];
    /* The VMM writes with the same file offset. */
    off_t end = vm->log_fd < 0 ? 0 : lseek(vm->log_fd, 0, SEEK_CUR);
    off_t start = end > (off_t)sizeof log ? end - (off_t)sizeof log : 0;
    ssize_t n = end > 0 ? pread(vm->log_fd, log, (size_t)(end - start), start) : 0;
    vmm_last_words(log, n > 0 ? (size_t)n : 0, text, VM_LAST_WORDS_MAX);
}

int vmm_explain(const struct vm *vm, struct pe_error *err)
{
    char words[VM_LAST_WORDS_MAX];
    vm_last_words(vm, words);
    return words[0] ? pe_fail_context(err, "%s", words) : -1;
}

int vmm_open_file(const char *path, struct pe_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : pe_fail_errno(err, "cannot open %s, which `make guest` builds", path);
}

int vmm_open_channel(int *ours, int *theirs, struct pe_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return pe_fail_errno(err, "cannot create a socket pair for a VM");
    *ours = pair[0];
    *theirs = pair[1];
    return 0;
}

int vmm_open_serial(int *ours, int *theirs, struct pe_error *err)
{
    if (vmm_open_channel(ours, theirs, err) < 0)
        return -1;
    return fcntl(*ours, F_SETFL, O_NONBLOCK) == 0
               ? 0
               : pe_fail_errno(err, "cannot make a serial port nonblocking");
}
