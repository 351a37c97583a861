/* SPDX-License-Identifier: Apache-2.0 */
/* Starting crun. guest-init/container.c waits for it and for the container. */
#include "guest-init/crun.h"

#include "guest-init/layout.h"
#include "guest-init/shim_record.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* In the child, which may only make system calls until exec. */
static void become_crun(const char *config, const struct crun_descriptors *fds, const char *name)
{
    const char *const argv[] = {
        GUEST_CRUN,
        "--cgroup-manager=cgroupfs",
        "--root=/run/crun",
        "run",
        "--detach",
        "--bundle=" GUEST_JOB,
        "--config",
        config,
        "--pid-file=" CRUN_PID_FILE,
        "--preserve-fds=1",
        "--no-new-keyring",
        name,
        NULL,
    };
    /* The variable says to crun that it need not execute a copy of itself, which a container could not
     * overwrite. crun believes it only if its file is on a read-only file system (libcrun's cloned_binary.c),
     * as with User Mode Linux, and then starts with half of the work. */
    static const char *const environment[] = {"PATH=/usr/bin:/bin", "_LIBCONTAINER_CLONED_BINARY=1", NULL};
    /* All four are above SHIM_CHANNEL_FD, since pe-init has opened 0 to 2 and then the serial port.
     * So no dup2 overwrites a descriptor that is still needed. The copies are not close-on-exec. */
    if (dup2(fds->in, STDIN_FILENO) < 0 || dup2(fds->out, STDOUT_FILENO) < 0 ||
        dup2(fds->err, STDERR_FILENO) < 0 || dup2(fds->channel, SHIM_CHANNEL_FD) < 0)
        _exit(126);
    /* Inherited from pe-init, -1000 would protect the program from the OOM killer. */
    int oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (oom < 0 || write(oom, "0", 1) != 1)
        _exit(126);
    execve(GUEST_CRUN, (char *const *)argv, (char *const *)environment);
    _exit(127);
}

int crun_spawn(const char *config, const struct crun_descriptors *fds, pid_t *pid, struct pe_error *err)
{
    static unsigned containers;
    char name[24];
    snprintf(name, sizeof name, "container-%u", ++containers);
    *pid = fork();
    if (*pid < 0)
        return pe_fail_errno(err, "cannot fork for crun");
    if (*pid == 0)
        become_crun(config, fds, name);
    return 0;
}
