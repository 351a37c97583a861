/* SPDX-License-Identifier: Apache-2.0 */
/* Forking, waiting for a child, and a parent that is waited for. What the children do is in their own files.
 */
#include "base/child.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t pe_child_fork(const char *what, int *socket, struct pe_error *err)
{
    int pair[2];
    *socket = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return pe_fail_errno(err, "cannot make a socket for %s", what);
    const pid_t pid = fork();
    if (pid < 0)
        pe_fail_errno(err, "cannot fork %s", what);
    const int ours = pid == 0 ? 1 : 0;
    close(pair[1 - ours]);
    if (pid < 0)
        close(pair[ours]);
    else
        *socket = pair[ours];
    return pid;
}

/* The parent may have ended before the kernel was told. */
int pe_child_die_with(pid_t parent)
{
    return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ? -1 : 0;
}

int pe_child_await(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

int pe_child_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    return pe_child_await(pid);
}
