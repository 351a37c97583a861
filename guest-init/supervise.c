/* One run of the program in a container: a poll loop over the shim and the two output pipes, with a deadline.
 * It trusts nothing in the container to end, to close its pipes or to obey a signal. */
#include "guest-init/supervise.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/capture.h"
#include "guest-init/cgroup.h"
#include "guest-init/shim-record.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* How long the program may take to be executed, and a killed container to come to an end. Generous: a guest
 * may be emulated on a loaded host. */
#define START_TIMEOUT_US (30 * 1000000ull)
#define KILL_TIMEOUT_US (10 * 1000000ull)

enum stage {
    STARTING, /* the shim has been given the program */
    RUNNING,  /* the program runs; the deadline is its own */
    ENDING,   /* the program has ended by itself, the kernel takes the container's other processes */
    KILLED,   /* the cgroup was killed */
    ENDED,    /* the shim has ended, and with it every process of the container */
};

struct run {
    struct container *container;
    enum stage stage;
    uint64_t deadline_us;  /* end of the stage */
    uint64_t timeout_us;   /* the program's */
    uint64_t timed_out_us; /* when the program, or its start, had used up its time; 0: it did not */
    bool channel_open;
    int interrupt_fd;                  /* readable: the run is of no use any more; -1: nobody interrupts */
    struct shim_record started, ended; /* kind 0: not heard of */
    uint64_t memory_before;            /* the container's limit, once a stage had another */
};

static void enter_stage(struct run *run, enum stage stage, uint64_t deadline_us)
{
    run->stage = stage;
    run->deadline_us = deadline_us;
}

/* The stage waits for the answer: a program must not start before its limit holds. */
static void limit_memory(struct run *run, uint64_t bytes)
{
    struct pe_error ignored;
    uint8_t failed =
        cgroup_limit_container(run->container->kind->cgroup, bytes, &run->memory_before, &ignored) < 0;
    ssize_t sent = send(run->container->channel, &failed, 1, MSG_NOSIGNAL);
    (void)sent; /* without an answer the stage is not started, and says so */
}

static void take_record(struct run *run, const struct shim_record *record)
{
    if (record->kind == SHIM_STARTED && !run->started.kind) {
        run->started = *record;
        if (run->stage == STARTING)
            enter_stage(run, RUNNING, record->time_us + run->timeout_us);
    } else if (record->kind == SHIM_ENDED && !run->ended.kind) {
        run->ended = *record;
        if (run->stage == RUNNING)
            enter_stage(run, ENDING, pe_now_us() + KILL_TIMEOUT_US);
    } else if (record->kind == SHIM_LIMIT && run->stage == RUNNING) {
        limit_memory(run, record->memory_bytes);
    }
}

static void take_records(struct run *run)
{
    struct shim_record record;
    ssize_t n = -1;
    while (run->channel_open && (n = recv(run->container->channel, &record, sizeof record, 0)) > 0)
        if (n == (ssize_t)sizeof record)
            take_record(run, &record);
    if (n == 0) /* the other end is gone; polling on would wake us for ever */
        run->channel_open = false;
}

/* The stage's deadline has passed: take the next harder measure. */
static int escalate(struct run *run, struct pe_error *err)
{
    uint64_t now = pe_now_us();
    switch (run->stage) {
    case STARTING:
    case RUNNING:
        run->timed_out_us = now;
        __attribute__((fallthrough));
    case ENDING:
        enter_stage(run, KILLED, now + KILL_TIMEOUT_US);
        return cgroup_kill(run->container->kind->cgroup, err);
    case KILLED:
    case ENDED:
        break;
    }
    return pe_fail(err, PE_ERR_INTERNAL, "the container does not end, even after SIGKILL");
}

static int milliseconds_until(uint64_t deadline_us)
{
    uint64_t now = pe_now_us();
    return now >= deadline_us ? 0 : (int)((deadline_us - now + 999) / 1000);
}

/* Wait for something to happen and deal with it. poll(2) ignores negative descriptors: closed streams. */
static int step(struct run *run, struct pe_error *err)
{
    enum { SHIM, CHANNEL, OUT, ERR, INTERRUPT, COUNT };
    struct container *container = run->container;
    struct pollfd fds[COUNT] = {
        [SHIM] = {.fd = container->shim_fd, .events = POLLIN},
        [CHANNEL] = {.fd = run->channel_open ? container->channel : -1, .events = POLLIN},
        [OUT] = {.fd = container->out.fd, .events = POLLIN},
        [ERR] = {.fd = container->err.fd, .events = POLLIN},
        [INTERRUPT] = {.fd = run->stage < KILLED ? run->interrupt_fd : -1, .events = POLLIN},
    };
    if (poll(fds, COUNT, milliseconds_until(run->deadline_us)) < 0 && errno != EINTR)
        return pe_fail_errno(err, "waiting for the program");
    if (fds[CHANNEL].revents)
        take_records(run);
    if ((fds[OUT].revents && capture_read(&container->out, err) < 0) ||
        (fds[ERR].revents && capture_read(&container->err, err) < 0))
        return -1;
    if (fds[SHIM].revents)
        run->stage = ENDED;
    else if (fds[INTERRUPT].revents || pe_now_us() >= run->deadline_us)
        return escalate(run, err);
    return 0;
}

/* What is still in the pipes. Every writer is dead, but a pipe is read no longer than it has something. */
static int drain(struct capture *capture, struct pe_error *err)
{
    int more = 1;
    while (more > 0)
        more = capture_read(capture, err);
    return more;
}

static int supervise(struct run *run, struct pe_error *err)
{
    while (run->stage != ENDED)
        if (step(run, err) < 0)
            return -1;
    take_records(run);
    struct container *container = run->container;
    return drain(&container->out, err) < 0 || drain(&container->err, err) < 0 ? -1 : 0;
}

static void settle_usage(const struct run *run, uint64_t go_us, const struct cgroup_usage *usage,
                         struct outcome *outcome)
{
    const struct shim_record *started = &run->started, *ended = &run->ended;
    if (started->kind) {
        uint64_t end_us = ended->kind ? ended->time_us : run->timed_out_us ? run->timed_out_us : pe_now_us();
        outcome->exec_us = started->time_us - go_us;
        outcome->wall_us = end_us - started->time_us;
    }
    outcome->user_us = ended->kind ? ended->user_us : usage->user_us;
    outcome->system_us = ended->kind ? ended->system_us : usage->system_us;
    outcome->max_rss_kib = ended->kind ? ended->max_rss_kib : usage->peak_kib;
}

static int settle_status(const struct run *run, const struct cgroup_usage *usage, struct outcome *outcome,
                         struct pe_error *err)
{
    if (!run->started.kind)
        return pe_fail(err, PE_ERR_INTERNAL,
                       run->timed_out_us ? "the program did not start in time"
                                         : "the container ended before its program started");
    if (run->ended.kind && WIFEXITED(run->ended.wait_status))
        outcome->exit_code = WEXITSTATUS(run->ended.wait_status);
    if (run->ended.kind && WIFSIGNALED(run->ended.wait_status))
        outcome->signal = WTERMSIG(run->ended.wait_status);

    if (run->timed_out_us)
        outcome->status = OUTCOME_TIMEOUT;
    else if (usage->oom_kills && outcome->exit_code != 0)
        outcome->status = OUTCOME_OOM;
    else if (!run->ended.kind)
        return pe_fail(err, PE_ERR_INTERNAL, "the container ended without saying how");
    else
        outcome->status = outcome->signal ? OUTCOME_SIGNALED : OUTCOME_EXITED;
    return 0;
}

static void settle_streams(struct container *container, struct outcome *outcome)
{
    outcome->stdout_truncated = container->out.truncated;
    outcome->stderr_truncated = container->err.truncated;
    outcome->out = container->out.kept;
    outcome->err = container->err.kept;
    container->out.kept = container->err.kept = (struct pe_buf){0};
}

int run_program(struct container *container, const struct guest_job *job, uint64_t go_us, int interrupt_fd,
                struct outcome *outcome, struct pe_error *err)
{
    struct run run = {.container = container,
                      .timeout_us = job->timeout_ms * 1000,
                      .channel_open = true,
                      .interrupt_fd = interrupt_fd};
    struct cgroup_usage usage;
    container->out.limit = job->stdout_limit;
    container->err.limit = job->stderr_limit;
    enter_stage(&run, STARTING, pe_now_us() + START_TIMEOUT_US);
    int result = container_give_program(container, err) < 0 || supervise(&run, err) < 0 ? -1 : 0;
    cgroup_read_usage(container->kind->cgroup, &usage);
    settle_usage(&run, go_us, &usage, outcome);
    if (result == 0)
        result = settle_status(&run, &usage, outcome, err);
    settle_streams(container, outcome);
    return result;
}
