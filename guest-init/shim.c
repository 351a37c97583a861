/* pe-shim: PID 1 of the container. Made long before the job is known: it waits in the container with the
 * process that will be the program, which then is one execve away. It reaps orphans, and says through
 * descriptor 3 when the program started and how it ended. The program runs as the same user and is hostile:
 * it must neither inherit the descriptor nor get at it through /proc or ptrace(2). */
#include "guest-init/program.h"
#include "guest-init/shim_record.h"
#include "guest-init/stages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
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
    while (send(SHIM_CHANNEL_FD, &record, sizeof record, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

/* ---- in the process that becomes the program ---- */

static void give_up(const char *what) __attribute__((noreturn));
static void give_up(const char *what)
{
    dprintf(STDERR_FILENO, "pe-shim: %s: %s\n", what, strerror(errno));
    _exit(EXIT_CANNOT_EXECUTE);
}

/* Blocks for as long as the VM waits for its job. */
static void receive(int given[SHIM_GIVEN_COUNT])
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(SHIM_GIVEN_COUNT * sizeof(int))];
    } control;
    char byte;
    struct iovec vector = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t n = -1;
    do
        n = recvmsg(SHIM_CHANNEL_FD, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    const struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (!header || header->cmsg_len != CMSG_LEN(SHIM_GIVEN_COUNT * sizeof(int)))
        _exit(EXIT_CANNOT_EXECUTE); /* pe-init has no program for this container */
    memcpy(given, CMSG_DATA(header), SHIM_GIVEN_COUNT * sizeof(int));
}

static void become_program(void) __attribute__((noreturn));
static void become_program(void)
{
    int given[SHIM_GIVEN_COUNT];
    struct program program;
    receive(given);
    if (program_read(given[SHIM_GIVEN_PROGRAM], &program) < 0)
        give_up("reading the program's arguments");
    /* Mounted there after the container was made: the directory that is this process's is the one below. */
    if (dup2(given[SHIM_GIVEN_STDIN], STDIN_FILENO) < 0 || chdir("/work") < 0)
        give_up("entering /work");
    environ = program.environment;
    report((struct shim_record){.kind = SHIM_STARTED});
    if (stages_are_requested(program.arguments))
        _exit(stages_run(program.arguments));
    execvp(program.arguments[0], program.arguments);
    int cause = errno;
    dprintf(STDERR_FILENO, "pe: cannot run '%s': %s\n", program.arguments[0], strerror(cause));
    _exit(cause == ENOENT || cause == ENOTDIR ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE);
}

/* ---- in PID 1 ---- */

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

int main(void)
{
    /* Not dumpable: root in the container, without CAP_SYS_PTRACE, gets neither /proc/1/fd nor /proc/1/mem.
     */
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || fcntl(SHIM_CHANNEL_FD, F_SETFD, FD_CLOEXEC) < 0) {
        dprintf(STDERR_FILENO, "pe-shim: descriptor %d is not open\n", SHIM_CHANNEL_FD);
        return EXIT_CANNOT_EXECUTE;
    }
    pid_t program = fork();
    if (program == 0)
        become_program();
    if (program < 0) {
        dprintf(STDERR_FILENO, "pe-shim: fork: %s\n", strerror(errno));
        return EXIT_CANNOT_EXECUTE;
    }
    /* Holding on to these would keep a pipe open that a program closed on purpose. */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        close(fd);
    report((struct shim_record){.kind = SHIM_WAITING});

    int status = await_program(program);
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    report((struct shim_record){.kind = SHIM_ENDED,
                                .wait_status = status,
                                .user_us = microseconds(usage.ru_utime),
                                .system_us = microseconds(usage.ru_stime),
                                .max_rss_kib = (uint64_t)usage.ru_maxrss});
    return 0;
}
