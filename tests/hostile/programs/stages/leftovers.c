/* SPDX-License-Identifier: Apache-2.0 */
/* The first stage leaves a daemon, a traced process and one that waits in vfork. In the second stage they are
 * gone.
 *
 * stages: leave count
 * result: exited 0
 * ends: exited exited
 * stdout: 2 processes
 */
#include "tests/hostile/attempt.h"

#include <dirent.h>
#include <sched.h>
#include <sys/ptrace.h>

static int count_processes(void)
{
    DIR *folder = opendir("/proc");
    const struct dirent *entry = NULL;
    int count = 0;
    while (folder && (entry = readdir(folder)))
        count += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
    return count;
}

static void leave_processes(void)
{
    if (fork() == 0) {
        setsid();
        for (int i = 1; i < NSIG; i++)
            signal(i, SIG_IGN);
        for (;;)
            pause();
    }
    if (fork() == 0) {
        pid_t traced = fork();
        if (traced == 0) {
            ptrace(PTRACE_TRACEME, 0, NULL, NULL);
            raise(SIGSTOP);
        }
        for (;;)
            pause();
    }
    if (fork() == 0 && syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, 0L) == 0)
        for (;;)
            pause();
    usleep(50000);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "leave") == 0)
        leave_processes();
    else
        printf("%d processes\n", count_processes());
    return 0;
}
