/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of the walk that look at the jail of a running VMM from the host. What a VMM itself can
 * reach is tested by tests/vmm/confined.c. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/io.h"
#include "tests/vmm/walk.h"
#include "worker/vmm/jail.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STATUS_BYTES_MAX (1u << 20)

bool is_active(const struct vm_host *host, enum jail_protection protection)
{
    return host->jail->report.findings[protection].active;
}

/* Whether a VMM and this process have different namespaces of a kind. */
static bool has_own_namespace(pid_t pid, const char *kind)
{
    char path[64], ours[64] = "", theirs[64] = "";
    snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
    bool read = readlink(path, ours, sizeof ours - 1) > 0;
    snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, kind);
    return read && readlink(path, theirs, sizeof theirs - 1) > 0 && strcmp(ours, theirs) != 0;
}

static void check_namespaces(const struct vm_host *host, pid_t pid)
{
    static const struct {
        enum jail_protection protection;
        const char *kind;
    } kinds[] = {{JAIL_MOUNTS, "mnt"},
                 {JAIL_PROCESSES, "pid"},
                 {JAIL_IPC, "ipc"},
                 {JAIL_HOST_NAME, "uts"},
                 {JAIL_NETWORK, "net"}};
    bool as_reported = true;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        as_reported &= has_own_namespace(pid, kinds[i].kind) == is_active(host, kinds[i].protection);
    check(as_reported, "a VMM has the namespaces that the jail reports");
}

/* Whether a path of the host exists in the root directory of a process. */
static bool sees(pid_t pid, const char *path)
{
    char inside[256];
    snprintf(inside, sizeof inside, "/proc/%d/root%s", (int)pid, path);
    return access(inside, F_OK) == 0;
}

bool proc_file_has(pid_t pid, const char *file, const char *text)
{
    char path[64];
    pe_autobuf struct pe_buf content = {0};
    struct pe_error err;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    return pe_read_file(AT_FDCWD, path, STATUS_BYTES_MAX, &content, &err) == 0 &&
           memmem(content.data, content.size, text, strlen(text)) != NULL;
}

void check_jail(const struct vm_host *host, const struct vm *vm)
{
    check_namespaces(host, vm->pid);
    bool sees_host = sees(vm->pid, "/etc/passwd") || sees(vm->pid, "/sys") || sees(vm->pid, "/root");
    check(!sees_host || !is_active(host, JAIL_ROOT),
          "a VMM with a root of its own does not see the host's files");
    check(proc_file_has(vm->pid, "status", "CapEff:\t0000000000000000") &&
              proc_file_has(vm->pid, "status", "CapPrm:\t0000000000000000"),
          "a VMM has no capability");
    check(!proc_file_has(vm->pid, "smaps", " mg"),
          "the kernel merges no memory of a VMM with that of others");
    check(!proc_file_has(vm->pid, "environ", "PATH="), "a VMM has none of its owner's environment");
    check(proc_file_has(vm->pid, "cgroup", "/pe-vm-") ==
              (is_active(host, JAIL_MEMORY_LIMIT) || is_active(host, JAIL_PROCESS_LIMIT)),
          "a VMM has a cgroup if the jail reports limits");
    check(host->accel != VM_ACCEL_TCG || proc_file_has(vm->pid, "cmdline", "tb-size=512"),
          "what QEMU translates has a bound of its own");
}
