/* SPDX-License-Identifier: Apache-2.0 */
/* One process starts each program, reads its output, watches its limits and writes the report.
 *
 * The report has the output in the order in which it was written, although there are two pipes. This
 * process has precedence over the programs (guest-init/precedence.h), so it reads each write before the
 * program goes on. epoll returns descriptors in the order in which they became readable, if they are
 * edge-triggered and are asked for one by one. In addition, each pipe has one page, and O_DIRECT (pipe(2),
 * "packet mode") keeps the kernel from appending another write to it. Without precedence, only writes
 * through descriptors that a program opened itself (/dev/stderr) could be out of order.
 *
 * The programs run as the same user and are hostile. This process is PID 1 of the container, so they
 * can neither stop nor kill it. They can slow it down, with processes or with a lower priority. So it checks
 * the limits of time again when the stage has ended. Times and memory are those of the stage's cgroup, which
 * pe-init makes and reads: a process that nobody waits for is in them as well. The programs cannot write into
 * the report, because this process is not dumpable and its descriptors are close-on-exec. */
#include "guest-init/stage_run.h"

#include "guest-init/execute.h"
#include "guest-init/shim_answer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_CANNOT_EXECUTE = 126,
    CHUNK = 32 * 1024,
    CPU_CHECK_US = 10 * 1000, /* least time between two readings of the CPU time */
    ANSWER_TIMEOUT_MS = 10 * 1000,
};

enum event_source { CHILDREN, OUT, ERROR, TIMEOUT };

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- output of a stage ---- */

static void close_stream(struct stream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
}

/* Report the first of `size` bytes, as many as may be. Returns their number. */
static size_t take(struct stage_run *run, struct stream *stream, const char *bytes, size_t size)
{
    const uint64_t left = stream->limit - stream->taken;
    const size_t taken = size < left ? size : (size_t)left, room = run_report_room(&run->report);
    const size_t shown = taken < room ? taken : room;
    struct pe_buf *kept = stream == &run->out ? run->order->kept : NULL;
    struct pe_error ignored;
    if (shown)
        run_report_frame(&run->report, stream->frame, bytes, shown);
    if (!run->order->goes_on) {
        stream->taken += shown;
        return shown;
    }
    stream->taken += taken;
    stream->cut += taken - shown;
    return kept && pe_buf_append(kept, bytes, taken, &ignored) < 0 ? 0 : taken;
}

/* Read once, without blocking, and report it. False if there is nothing to read. */
static bool read_stream(struct stage_run *run, struct stream *stream)
{
    static char bytes[CHUNK];
    ssize_t n = stream->fd < 0 ? -1 : read(stream->fd, bytes, sizeof bytes);
    if (n < 0 && stream->fd >= 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        close_stream(stream);
        return false;
    }
    if (take(run, stream, bytes, (size_t)n) == (size_t)n)
        return true;
    enum pe_stage_end *end = &run->result.end;
    if (*end == PE_STAGE_ENDS || *end == PE_STAGE_EXITED || *end == PE_STAGE_SIGNALED)
        *end = stream->over;
    close_stream(stream);
    return false;
}

/* ---- processes of a stage ---- */

/* Set a limit of the process that becomes the program. One that is higher than the job's is not set. */
static bool lower_limit(int resource, uint64_t value)
{
    struct rlimit limit;
    if (!value)
        return true;
    if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
        return false;
    if (value < limit.rlim_max)
        limit.rlim_cur = limit.rlim_max = value;
    return setrlimit((__rlimit_resource_t)resource, &limit) == 0;
}

/* Ask pe-init to put this process into a cgroup with the limits of the stage, and to give it its files. Wait
 * until PID 1 has got the answer: it then writes a byte to the pipe `gate`, or closes it. */
static void enter_cgroup(const struct stage_run *run, const int gate[2])
{
    const struct stage_order *order = run->order;
    const struct shim_record record = {.kind = SHIM_STAGE,
                                       .request = run->requests,
                                       .memory_bytes = order->stage->memory_bytes,
                                       .processes = order->stage->processes,
                                       .files = order->fresh ? SHIM_FILES_FRESH : SHIM_FILES_SAME};
    char byte = 0;
    close(gate[1]);
    if (send(SHIM_CHANNEL_FD, &record, sizeof record, MSG_NOSIGNAL) != (ssize_t)sizeof record ||
        read(gate[0], &byte, 1) != 1)
        _exit(EXIT_CANNOT_EXECUTE);
}

static bool set_environment(char *const *environment)
{
    for (size_t i = 0; environment && environment[i]; i++)
        if (putenv(environment[i]) != 0)
            return false;
    return true;
}

/* A descriptor that is moved to a standard one is inherited. */
static bool set_streams(const struct stage_order *order, const int out[2], const int error[2])
{
    return (order->input < 0 || dup2(order->input, STDIN_FILENO) >= 0) && dup2(out[1], STDOUT_FILENO) >= 0 &&
           dup2(error[1], STDERR_FILENO) >= 0;
}

static void become(const struct stage_run *run, const int out[2], const int error[2], const int gate[2])
    __attribute__((noreturn));
static void become(const struct stage_run *run, const int out[2], const int error[2], const int gate[2])
{
    const struct stage_order *order = run->order;
    setpgid(0, 0); /* signals of the host go to the process group, in which PID 1 must not be */
    enter_cgroup(run, gate);
    /* The working directory is that of the files before. */
    if ((order->directory && chdir(order->directory) < 0) || !set_streams(order, out, error) ||
        sigprocmask(SIG_SETMASK, &run->outside, NULL) < 0 ||
        !lower_limit(RLIMIT_FSIZE, order->stage->file_bytes) ||
        !lower_limit(RLIMIT_NOFILE, order->stage->open_files) || !set_environment(order->environment))
        _exit(EXIT_CANNOT_EXECUTE);
    execute(order->stage->arguments);
}

/* Reap one child. The children of PID 1 include orphans. */
static bool reap(struct stage_run *run, int options)
{
    int status = 0;
    pid_t pid = waitpid(-1, &status, options);
    if (pid <= 0)
        return pid < 0 && errno == EINTR;
    if (pid == run->program) {
        run->reaped = true;
        run->result.wait_status = status;
    }
    return true;
}

/* Kill all processes of a stage. kill(2) with -1 reaches all processes in the PID namespace except
 * PID 1, which is the caller. It is called again only when all that have ended are reaped, because it takes
 * longer the more processes there are. */
static void kill_all(struct stage_run *run)
{
    kill(-1, SIGKILL);
    while (reap(run, 0)) {
        while (reap(run, WNOHANG))
            ;
        kill(-1, SIGKILL);
    }
}

static bool watch_for(const struct stage_run *run, int fd, enum event_source source, uint32_t edge)
{
    struct epoll_event event = {.events = EPOLLIN | edge, .data.u32 = source};
    return epoll_ctl(run->events, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* A pipe for one write at a time, of at most a page. */
static bool make_pipe(const struct stage_run *run, int ends[2], enum event_source source)
{
    return pipe2(ends, O_CLOEXEC | O_DIRECT) == 0 && fcntl(ends[0], F_SETPIPE_SZ, PIPE_BUF) >= 0 &&
           fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 && watch_for(run, ends[0], source, EPOLLET);
}

static void close_pair(const int ends[2])
{
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
}

/* Receive the answer to the last request. */
static bool get_answer(const struct stage_run *run, struct shim_answer *answer)
{
    return shim_answer_receive(SHIM_CHANNEL_FD, run->requests, ANSWER_TIMEOUT_MS, answer);
}

/* Fork the process that becomes the program. It goes on when it is in its cgroup. */
static bool fork_program(struct stage_run *run, const int out[2], const int error[2])
{
    int gate[2] = {-1, -1};
    struct shim_answer answer;
    run->requests++; /* it is the child that sends the request */
    run->program = pipe2(gate, O_CLOEXEC) == 0 ? fork() : -1;
    if (run->program == 0)
        become(run, out, error, gate);
    bool started = run->program > 0 && get_answer(run, &answer) &&
                   (!run->order->place_files || run->order->place_files(run->order->context));
    run->start_us = now_us();
    started = started && write(gate[1], "", 1) == 1;
    close_pair(gate);
    return started;
}

static uint64_t any(uint64_t limit)
{
    return limit ? limit : UINT64_MAX;
}

static bool start(struct stage_run *run)
{
    int out[2] = {-1, -1}, error[2] = {-1, -1};
    if (run->order->input < 0)
        lseek(STDIN_FILENO, 0, SEEK_SET); /* fails harmlessly if standard input is not a file */
    bool started = make_pipe(run, out, OUT) && make_pipe(run, error, ERROR) && fork_program(run, out, error);
    if (!started) {
        close_pair(out);
        close_pair(error);
        return false;
    }
    close(out[1]);
    close(error[1]);
    const struct stage *stage = run->order->stage;
    run->out = (struct stream){
        .fd = out[0], .frame = PE_STAGE_OUT, .over = PE_STAGE_STDOUT, .limit = any(stage->output_bytes)};
    run->error = (struct stream){
        .fd = error[0], .frame = PE_STAGE_ERR, .over = PE_STAGE_STDERR, .limit = any(stage->error_bytes)};
    return true;
}

/* ---- limits of a stage ---- */

/* Have pe-init read what the stage has used so far. */
static bool read_usage(struct stage_run *run, enum shim_record_kind kind)
{
    const struct shim_record record = {.kind = kind, .request = ++run->requests};
    struct shim_answer usage;
    if (send(SHIM_CHANNEL_FD, &record, sizeof record, MSG_NOSIGNAL) != (ssize_t)sizeof record ||
        !get_answer(run, &usage))
        return false;
    run->result.usage = usage;
    return true;
}

static uint64_t cpu_used(const struct stage_run *run)
{
    return run->result.usage.user_us + run->result.usage.system_us;
}

/* CPU time cannot grow faster than the wall clock times the number of CPUs. So pe-init is
 * asked only when the stage may have used up its limit. */
static void check_cpu(struct stage_run *run, uint64_t now)
{
    uint64_t limit = run->order->stage->cpu_us;
    if (!limit || now < run->cpu_check_us)
        return;
    if (!read_usage(run, SHIM_USAGE)) {
        run->result.end = PE_STAGE_FAILED;
        return;
    }
    uint64_t used = cpu_used(run), cpus = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    if (used >= limit)
        run->result.end = PE_STAGE_CPU;
    uint64_t pause = used < limit ? (limit - used) / cpus : 0;
    run->cpu_check_us = now + (pause > CPU_CHECK_US ? pause : CPU_CHECK_US);
}

static void check_clock(struct stage_run *run)
{
    uint64_t now = now_us();
    if (run->order->stage->wall_us && now >= run->start_us + run->order->stage->wall_us)
        run->result.end = PE_STAGE_WALL;
    else
        check_cpu(run, now);
}

static int milliseconds_to_wait(const struct stage_run *run)
{
    uint64_t until = run->start_us + 3600 * 1000000ull, now = now_us();
    if (run->order->stage->wall_us)
        until = run->start_us + run->order->stage->wall_us;
    if (run->order->stage->cpu_us && run->cpu_check_us < until)
        until = run->cpu_check_us;
    return until <= now ? 0 : (int)((until - now + 999) / 1000);
}

/* ---- a stage ---- */

/* Handle the event that came first. TIMEOUT if there is none in the given time. */
static enum event_source handle_event(struct stage_run *run, int timeout_ms)
{
    struct epoll_event event;
    struct signalfd_siginfo ignored;
    if (epoll_wait(run->events, &event, 1, timeout_ms) != 1)
        return TIMEOUT;
    enum event_source source = (enum event_source)event.data.u32;
    if (source == OUT)
        read_stream(run, &run->out);
    else if (source == ERROR)
        read_stream(run, &run->error);
    else if (read(run->children, &ignored, sizeof ignored) > 0)
        while (reap(run, WNOHANG))
            ;
    return source;
}

/* Wait until the program of the stage has ended or a limit is reached. */
static void watch(struct stage_run *run)
{
    while (run->result.end == PE_STAGE_ENDS) {
        handle_event(run, milliseconds_to_wait(run));
        if (run->result.end == PE_STAGE_ENDS && run->reaped)
            run->result.end = WIFSIGNALED(run->result.wait_status) ? PE_STAGE_SIGNALED : PE_STAGE_EXITED;
        if (run->result.end == PE_STAGE_ENDS)
            check_clock(run);
    }
    run->end_us = now_us();
}

/* A program that ended by itself may have exceeded a limit before that was noticed. */
static void check_times(struct stage_run *run)
{
    const struct stage *stage = run->order->stage;
    if (run->result.end != PE_STAGE_EXITED && run->result.end != PE_STAGE_SIGNALED)
        return;
    if (stage->cpu_us && cpu_used(run) > stage->cpu_us)
        run->result.end = PE_STAGE_CPU;
    else if (stage->wall_us && run->end_us - run->start_us > stage->wall_us)
        run->result.end = PE_STAGE_WALL;
}

/* Kill what is left and read the rest of the pipes, to which no process can write any more. */
static void settle(struct stage_run *run)
{
    kill_all(run);
    while (handle_event(run, 0) != TIMEOUT)
        ;
    while (read_stream(run, &run->out))
        ;
    while (read_stream(run, &run->error))
        ;
    close_stream(&run->out);
    close_stream(&run->error);
}

/* Nothing of the run is left: measure it, and have its files taken away. */
static void leave(struct stage_run *run)
{
    if (!read_usage(run, run->order->fresh ? SHIM_LEAVE : SHIM_USAGE)) {
        run->result.end = PE_STAGE_FAILED;
        run->stuck = run->order->fresh;
    }
}

static void run_to_end(struct stage_run *run)
{
    watch(run);
    settle(run);
    leave(run);
    check_times(run);
    run->result.wall_us = run->end_us - run->start_us;
    run->result.out_cut = run->out.cut;
    run->result.error_cut = run->error.cut;
}

void stage_run_program(struct stage_run *run, const struct stage_order *order)
{
    run->order = order;
    run->result = (struct run_result){.end = PE_STAGE_ENDS};
    run->reaped = false;
    run->start_us = run->end_us = now_us();
    const bool started = start(run);
    run->cpu_check_us = run->start_us + order->stage->cpu_us / (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    if (started) {
        run_to_end(run);
        return;
    }
    kill_all(run);
    leave(run);
    run->result.end = PE_STAGE_FAILED;
}

/* ---- before the first run ---- */

int stage_run_prepare(struct stage_run *run, size_t report_bytes)
{
    sigset_t children;
    *run = (struct stage_run){.report = {.left = report_bytes}};
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &children, &run->outside) < 0)
        return -1;
    run->children = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    run->events = epoll_create1(EPOLL_CLOEXEC);
    return run->children >= 0 && run->events >= 0 && watch_for(run, run->children, CHILDREN, 0) ? 0 : -1;
}
