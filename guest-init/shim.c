/* SPDX-License-Identifier: Apache-2.0 */
/* pe-shim: PID 1 of the container. It is started long before the job is known, and forks the
 * process that will become the program, so that a job costs one execve. It reaps orphans, and
 * reports through descriptor 3 when the program started and how it ended. The program runs as the
 * same user and is hostile. It must neither inherit the descriptor nor reach it through /proc or
 * ptrace(2). Stages are run by PID 1 itself (guest-init/stages.h). */
#include "base/fd_message.h"
#include "guest-init/cases.h"
#include "guest-init/execute.h"
#include "guest-init/foreign.h"
#include "guest-init/program.h"
#include "guest-init/shim_record.h"
#include "guest-init/stack_guard.h"
#include "guest-init/stages.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The streams of a plan of stages, and the file with the plan. */
enum { PLAN_FDS = 4 };

/* Exit codes for a program that cannot be run, as in POSIX sh. */
enum { EXIT_CANNOT_EXECUTE = 126 };

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
static struct shim_start receive(int given[SHIM_GIVEN_COUNT])
{
    struct shim_start start = {0};
    size_t count = 0;
    ssize_t n = -1;
    do
        n = pe_fd_message_receive(SHIM_CHANNEL_FD, &start, sizeof start, given, SHIM_GIVEN_COUNT, &count);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof start || count != SHIM_GIVEN_COUNT)
        _exit(
            EXIT_CANNOT_EXECUTE); /* pe-init has closed the socket: there is no program for this container */
    return start;
}

/* pipe(2): O_DIRECT of the end for writing keeps writes apart. */
static void write_packets(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) < 0)
        give_up("keeping the writes of the program apart");
}

/* The program cannot raise the limit again. */
static void limit_stack(uint64_t bytes)
{
    const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = bytes};
    if (setrlimit(RLIMIT_STACK, &limit) < 0)
        give_up("limiting the stack");
}

/* Give the streams and the plan of stages to PID 1, which runs them. */
static void hand_over(int plans, int program)
{
    const int fds[PLAN_FDS] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, program};
    if (pe_fd_message_send(plans, "", 1, fds, PLAN_FDS) != 1)
        give_up("handing over the stages");
    _exit(0);
}

/* ---- a program with a terminal ---- */

/* The session of a terminal has a leader. When that one ends, the kernel drops what nobody has read from the
 * terminal yet. So the leader is not the program, but this process, which reports the end of the program and
 * waits until pe-init has read everything. The program cannot trace it, because it is not dumpable. */
static void lead_session(pid_t program) __attribute__((noreturn));
static void lead_session(pid_t program)
{
    struct shim_answer answer;
    int status = 0;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        close(fd);
    while (waitpid(program, &status, 0) < 0)
        if (errno != EINTR)
            _exit(EXIT_CANNOT_EXECUTE);
    report((struct shim_record){.kind = SHIM_ENDED, .wait_status = status});
    while (recv(SHIM_CHANNEL_FD, &answer, sizeof answer, 0) < 0 && errno == EINTR)
        ;
    _exit(0);
}

/* Put the process group of this process into the foreground. The kernel stops a process of the background
 * that tries that, unless it blocks the signal. */
static void come_to_foreground(void)
{
    sigset_t stop, before;
    const pid_t group = getpid();
    sigemptyset(&stop);
    sigaddset(&stop, SIGTTOU);
    if (setpgid(0, 0) < 0 || sigprocmask(SIG_BLOCK, &stop, &before) < 0 ||
        ioctl(STDIN_FILENO, TIOCSPGRP, &group) < 0 || sigprocmask(SIG_SETMASK, &before, NULL) < 0)
        give_up("coming to the foreground of the terminal");
}

/* Make standard input the controlling terminal of a new session, with a program that is started by this one.
 * Returns in the process that becomes the program. */
static void start_in_session(void)
{
    if (setsid() < 0 || ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0 || dup2(STDIN_FILENO, STDOUT_FILENO) < 0 ||
        dup2(STDIN_FILENO, STDERR_FILENO) < 0)
        give_up("taking the terminal");
    pid_t program = fork();
    if (program < 0)
        give_up("starting the program");
    if (program > 0)
        lead_session(program);
    come_to_foreground();
}

/* Signals of the host go to the program's process group, in which PID 1 must not be. */
static void prepare_input(const struct shim_start *start)
{
    if (start->input == SHIM_INPUT_TERMINAL)
        start_in_session();
    else if (start->input == SHIM_INPUT_PIPE && setpgid(0, 0) < 0)
        give_up("leading a process group");
}

/* `plans` is a socket to PID 1. */
static void become_program(int plans) __attribute__((noreturn));
static void become_program(int plans)
{
    int given[SHIM_GIVEN_COUNT];
    struct program program;
    program_prepare();
    report((struct shim_record){.kind = SHIM_WAITING});
    const struct shim_start start = receive(given);
    stack_guard_renew(); /* this process may be that of a clone; the generator has been reseeded by now */
    if (start.streams == SHIM_STREAMS_PACKETS) {
        write_packets(STDOUT_FILENO);
        write_packets(STDERR_FILENO);
    }
    if (program_read(given[SHIM_GIVEN_PROGRAM], &program) < 0)
        give_up("reading the program");
    /* /work was mounted after this process was started, so its working directory is the folder
     * below the mount. */
    if (dup2(given[SHIM_GIVEN_STDIN], STDIN_FILENO) < 0 || chdir(program.directory) < 0)
        give_up(program.directory);
    if (stages_are_requested(program.arguments) || cases_are_requested(program.arguments))
        hand_over(plans, given[SHIM_GIVEN_PROGRAM]);
    prepare_input(&start);
    if (start.stack_bytes)
        limit_stack(start.stack_bytes);
    environ = program.environment;
    report((struct shim_record){.kind = SHIM_STARTED});
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

/* Programs inherit `to`. */
static bool move_descriptor(int from, int to)
{
    if (from == to)
        return fcntl(to, F_SETFD, 0) == 0;
    return dup2(from, to) >= 0 && close(from) == 0;
}

/* True if `plans` has a plan of stages. Its streams become those of this process. */
static bool take_over(int plans, struct program *program)
{
    int fds[PLAN_FDS];
    size_t count = 0;
    uint8_t byte = 0;
    if (pe_fd_message_receive(plans, &byte, 1, fds, PLAN_FDS, &count) != 1 || count != PLAN_FDS)
        return false;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (!move_descriptor(fds[fd], fd))
            return false;
    return program_read(fds[PLAN_FDS - 1], program) == 0 && chdir(program->directory) == 0;
}

/* PID 1 runs stages itself, because their programs can neither stop it nor kill it: the kernel does not
 * deliver SIGSTOP and SIGKILL from inside a PID namespace to its PID 1 (pid_namespaces(7)). */
STACK_GUARD_NONE static int run_stages(const struct program *program)
{
    stack_guard_renew();
    environ = program->environment;
    report((struct shim_record){.kind = SHIM_STARTED});
    return (cases_are_requested(program->arguments) ? cases_run() : stages_run(program->arguments)) << 8;
}

/* Everything after the fork. Returns the wait status to report. */
STACK_GUARD_NONE static int watch(pid_t program, int plans)
{
    struct program staged;
    /* Otherwise this process would keep a pipe open that the program closes on purpose. */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        close(fd);
    int status = await_program(program);
    return take_over(plans, &staged) ? run_stages(&staged) : status;
}

/* The kernel starts this program in the place of one that it cannot run (guest-init/foreign.h). */
static int refuse_foreign(const char *program)
{
    dprintf(STDERR_FILENO, "pe: '%s' is a 32-bit program, which the kernel of this VM cannot run\n", program);
    return EXIT_CANNOT_EXECUTE;
}

STACK_GUARD_NONE int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[0], GUEST_FOREIGN))
        return refuse_foreign(argv[1]);
    /* Without CAP_SYS_PTRACE, not even root can read /proc/1/fd and /proc/1/mem of a process that
     * is not dumpable. */
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || fcntl(SHIM_CHANNEL_FD, F_SETFD, FD_CLOEXEC) < 0) {
        dprintf(STDERR_FILENO, "pe-shim: descriptor %d is not open\n", SHIM_CHANNEL_FD);
        return EXIT_CANNOT_EXECUTE;
    }
    int plans[2];
    pid_t program = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, plans) < 0 ? -1 : fork();
    if (program == 0)
        become_program(plans[1]);
    if (program < 0) {
        dprintf(STDERR_FILENO, "pe-shim: fork: %s\n", strerror(errno));
        return EXIT_CANNOT_EXECUTE;
    }
    close(plans[1]);
    report((struct shim_record){.kind = SHIM_ENDED, .wait_status = watch(program, plans[0])});
    _exit(0); /* exit(3) touches four pages, and there is nothing to flush */
}
