/* pe-shim: PID 1 of the container. Starts the program given as its arguments, reaps orphans, and says through
 * descriptor 3 when the program started and how it ended. The program runs as the same user and is hostile:
 * it must neither inherit the descriptor nor get at it through /proc or ptrace(2). */
#include "guest-init/shim-record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Exit codes for a program that cannot be run, as of POSIX sh. */
enum { EXIT_CANNOT_EXECUTE = 126, EXIT_NOT_FOUND = 127 };

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

/* Nobody is left to tell when this fails; pe-init notices a missing record. */
static void report(struct shim_record record)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    record.time_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    while (write(SHIM_REPORT_FD, &record, sizeof record) < 0 && errno == EINTR)
        ;
}

static void run_program(char **argv)
{
    execvp(argv[0], argv);
    int cause = errno;
    dprintf(STDERR_FILENO, "pe: cannot run '%s': %s\n", argv[0], strerror(cause));
    _exit(cause == ENOENT || cause == ENOTDIR ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE);
}

/* Reap whatever ends until `program` does; its wait status. */
static int await_program(pid_t program)
{
    for (;;) {
        int status = 0;
        pid_t pid = wait(&status);
        if (pid == program)
            return status;
        if (pid < 0 && errno != EINTR)
            return EXIT_CANNOT_EXECUTE << 8;
    }
}

int main(int argc, char **argv)
{
    /* Not dumpable: root in the container, without CAP_SYS_PTRACE, gets neither /proc/1/fd nor /proc/1/mem.
     */
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || fcntl(SHIM_REPORT_FD, F_SETFD, FD_CLOEXEC) < 0 || argc < 2) {
        dprintf(STDERR_FILENO, "pe-shim: no program to run, or descriptor %d is not open\n", SHIM_REPORT_FD);
        return EXIT_CANNOT_EXECUTE;
    }
    report((struct shim_record){.kind = SHIM_STARTED});
    pid_t program = fork();
    if (program == 0)
        run_program(argv + 1);
    if (program < 0)
        dprintf(STDERR_FILENO, "pe: cannot start '%s': %s\n", argv[1], strerror(errno));
    /* Holding on to these would keep a pipe open that a program closed on purpose. */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        close(fd);

    int status = program < 0 ? EXIT_CANNOT_EXECUTE << 8 : await_program(program);
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    report((struct shim_record){.kind = SHIM_ENDED,
                                .wait_status = status,
                                .user_us = microseconds(usage.ru_utime),
                                .system_us = microseconds(usage.ru_stime),
                                .max_rss_kib = (uint64_t)usage.ru_maxrss});
    return 0;
}
