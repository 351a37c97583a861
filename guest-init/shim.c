/* SPDX-License-Identifier: Apache-2.0 */
/* pe-shim: PID 1 of the container. It is started long before the job is known, and forks the
 * process that will become the program, so that a job costs one execve. It reaps orphans, and
 * reports through descriptor 3 when the program started and how it ended. The program runs as the
 * same user and is hostile. It must neither inherit the descriptor nor reach it through /proc or
 * ptrace(2). */
#include "guest-init/execute.h"
#include "guest-init/foreign.h"
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

/* Exit codes for a program that cannot be run, as in POSIX sh. */
enum { EXIT_CANNOT_EXECUTE = 126 };

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

/* A failure cannot be reported. pe-init notices that a record is missing. */
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

/* Wait for the program, as long as the VM waits for its job. */
static enum shim_streams receive(int given[SHIM_GIVEN_COUNT])
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(SHIM_GIVEN_COUNT * sizeof(int))];
    } control;
    uint8_t byte = 0;
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
        _exit(
            EXIT_CANNOT_EXECUTE); /* pe-init has closed the socket: there is no program for this container */
    memcpy(given, CMSG_DATA(header), SHIM_GIVEN_COUNT * sizeof(int));
    return (enum shim_streams)byte;
}

/* pipe(2): O_DIRECT of the end for writing keeps writes apart. */
static void write_packets(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) < 0)
        give_up("keeping the writes of the program apart");
}

static void become_program(void) __attribute__((noreturn));
static void become_program(void)
{
    int given[SHIM_GIVEN_COUNT];
    struct program program;
    if (receive(given) == SHIM_STREAMS_PACKETS) {
        write_packets(STDOUT_FILENO);
        write_packets(STDERR_FILENO);
    }
    if (program_read(given[SHIM_GIVEN_PROGRAM], &program) < 0)
        give_up("reading the program");
    /* /work was mounted after this process was started, so its working directory is the folder
     * below the mount. */
    if (dup2(given[SHIM_GIVEN_STDIN], STDIN_FILENO) < 0 || chdir(program.directory) < 0)
        give_up(program.directory);
    environ = program.environment;
    report((struct shim_record){.kind = SHIM_STARTED});
    if (stages_are_requested(program.arguments))
        _exit(stages_run(program.arguments));
    execute(program.arguments);
}

/* ---- in PID 1 ---- */

/* Reap all children until the program has ended, and return its wait status. */
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

/* The kernel starts this program in the place of one that it cannot run (guest-init/foreign.h). */
static int refuse_foreign(const char *program)
{
    dprintf(STDERR_FILENO, "pe: '%s' is a 32-bit program, which the kernel of this VM cannot run\n", program);
    return EXIT_CANNOT_EXECUTE;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[0], GUEST_FOREIGN))
        return refuse_foreign(argv[1]);
    /* Without CAP_SYS_PTRACE, not even root can read /proc/1/fd and /proc/1/mem of a process that
     * is not dumpable. */
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
    /* Otherwise this process would keep a pipe open that the program closes on purpose. */
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
