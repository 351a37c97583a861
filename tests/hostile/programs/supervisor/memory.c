/* SPDX-License-Identifier: Apache-2.0 */
/* Read and write the memory, the descriptors and the environment of PID 1, trace it, take its descriptors.
 *
 * engines: each
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sys/ptrace.h>
#include <sys/uio.h>

/* Some of these files can be opened, but not read. */
static void must_not_read(const char *path)
{
    char byte = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    must_fail(path, fd < 0 || read(fd, &byte, 1) <= 0 ? -1 : 0);
}

int main(void)
{
    static const char *const files[] = {"mem",      "maps",    "environ", "auxv",     "fd/0",
                                        "fd/3",     "exe",     "stack",   "syscall",  "pagemap",
                                        "root/etc", "cwd/etc", "io",      "map_files"};
    char path[64], bytes[8] = "";
    struct iovec here = {bytes, 8}, there = {(void *)0x400000, 8}; /* NOLINT(performance-no-int-to-ptr) */
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "/proc/1/%s", files[i]);
        must_not_read(path);
        snprintf(path, sizeof path, "/proc/1/task/1/%s", files[i]);
        must_not_read(path);
    }
    must_fail("PTRACE_ATTACH", ptrace(PTRACE_ATTACH, 1, NULL, NULL));
    must_fail("PTRACE_SEIZE", ptrace(PTRACE_SEIZE, 1, NULL, NULL));
    must_fail("process_vm_readv", process_vm_readv(1, &here, 1, &there, 1, 0));
    must_fail("process_vm_writev", process_vm_writev(1, &here, 1, &there, 1, 0));
    int init = (int)syscall(SYS_pidfd_open, 1, 0);
    for (int fd = 0; fd < 8; fd++)
        must_fail("pidfd_getfd", syscall(SYS_pidfd_getfd, init, fd, 0));
    return held();
}
