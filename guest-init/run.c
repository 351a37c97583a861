/* One run of the program: a poll loop over crun, the shim's records and the two output pipes, with a
 * deadline. It trusts nothing in the container to end, to close its pipes or to obey a signal. */
#include "guest-init/run.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/capture.h"
#include "guest-init/cgroup.h"
#include "guest-init/crun.h"
#include "guest-init/layout.h"
#include "guest-init/shim-record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>

/* How long crun may take to start the program, and to come to an end after the container was killed.
 * Generous: a guest may be emulated on a loaded host. */
#define START_TIMEOUT_US (30 * 1000000ull)
#define KILL_TIMEOUT_US (10 * 1000000ull)

enum stage {
    STARTING, /* crun sets up the container */
    RUNNING,  /* the program runs; the deadline is its own */
    ENDING,   /* the program has ended by itself, crun takes the container down */
    KILLED,   /* the cgroup was killed, crun has yet to notice */
    GIVEN_UP, /* crun was killed as well */
    ENDED,    /* crun has ended, and with it every process of the container */
};

struct run {
    enum stage stage;
    uint64_t deadline_us;  /* end of the stage */
    uint64_t timeout_us;   /* the program's */
    uint64_t timed_out_us; /* when the program, or crun before it, had used up its time; 0: it did not */
    pid_t crun;
    int crun_fd;   /* pidfd */
    int report_fd; /* read end of the shim's pipe */
    struct capture out, err;
    struct shim_record started, ended; /* kind 0: not heard of */
};

static void run_free(struct run *run)
{
    capture_free(&run->out);
    capture_free(&run->err);
    pe_cleanup_close(&run->crun_fd);
    pe_cleanup_close(&run->report_fd);
}
#define pe_autorun __attribute__((cleanup(run_free)))

static int open_stdin(struct pe_error *err)
{
    int fd = open(GUEST_JOB "/stdin", O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? pe_fail_errno(err, "opening the job's stdin") : fd;
}

static int open_report(struct run *run, int *write_end, struct pe_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return pe_fail_errno(err, "making a pipe for the shim");
    run->report_fd = ends[0];
    *write_end = ends[1];
    return 0;
}

static void enter_stage(struct run *run, enum stage stage, uint64_t deadline_us)
{
    run->stage = stage;
    run->deadline_us = deadline_us;
}

/* The write ends close with this scope: crun's copies are then the only ones. */
static int start(struct run *run, const struct guest_job *job, struct pe_error *err)
{
    pe_autoclose int out = -1;
    pe_autoclose int error = -1;
    pe_autoclose int report = -1;
    pe_autoclose int in = open_stdin(err);
    if (in < 0 || capture_open(&run->out, "stdout", job->stdout_limit, &out, err) < 0 ||
        capture_open(&run->err, "stderr", job->stderr_limit, &error, err) < 0 ||
        open_report(run, &report, err) < 0)
        return -1;
    const struct crun_descriptors fds = {.in = in, .out = out, .err = error, .report = report};
    enter_stage(run, STARTING, pe_now_us() + START_TIMEOUT_US);
    run->crun_fd = crun_spawn(&fds, &run->crun, err);
    return run->crun_fd < 0 ? -1 : 0;
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
    }
}

/* Records are written whole (shim-record.h); anything else is not the shim's. */
static void take_records(struct run *run)
{
    struct shim_record record;
    ssize_t n = -1;
    while (run->report_fd >= 0 && (n = read(run->report_fd, &record, sizeof record)) > 0)
        if (n == (ssize_t)sizeof record)
            take_record(run, &record);
    if (n == 0) { /* every writer is gone; a closed pipe would wake poll(2) for ever */
        close(run->report_fd);
        run->report_fd = -1;
    }
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
        return cgroup_kill(err);
    case KILLED:
        enter_stage(run, GIVEN_UP, now + KILL_TIMEOUT_US);
        kill(run->crun, SIGKILL);
        return 0;
    case GIVEN_UP:
    case ENDED:
        break;
    }
    return pe_fail(err, PE_ERR_INTERNAL, "crun does not end, even after SIGKILL");
}

static int milliseconds_until(uint64_t deadline_us)
{
    uint64_t now = pe_now_us();
    return now >= deadline_us ? 0 : (int)((deadline_us - now + 999) / 1000);
}

/* Wait for something to happen and deal with it. poll(2) ignores negative descriptors: closed streams. */
static int step(struct run *run, struct pe_error *err)
{
    enum { CRUN, REPORT, OUT, ERR, COUNT };
    struct pollfd fds[COUNT] = {
        [CRUN] = {.fd = run->crun_fd, .events = POLLIN},
        [REPORT] = {.fd = run->report_fd, .events = POLLIN},
        [OUT] = {.fd = run->out.fd, .events = POLLIN},
        [ERR] = {.fd = run->err.fd, .events = POLLIN},
    };
    if (poll(fds, COUNT, milliseconds_until(run->deadline_us)) < 0 && errno != EINTR)
        return pe_fail_errno(err, "waiting for the program");
    if (fds[REPORT].revents)
        take_records(run);
    if ((fds[OUT].revents && capture_read(&run->out, err) < 0) ||
        (fds[ERR].revents && capture_read(&run->err, err) < 0))
        return -1;
    if (fds[CRUN].revents)
        run->stage = ENDED;
    else if (pe_now_us() >= run->deadline_us)
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

/* crun has ended: reap it and whatever it left to PID 1. */
static void reap(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static int supervise(struct run *run, struct pe_error *err)
{
    while (run->stage != ENDED)
        if (step(run, err) < 0)
            return -1;
    take_records(run);
    if (cgroup_kill(err) < 0) /* nothing is left after a proper end; the output folder is read next */
        return -1;
    reap();
    return drain(&run->out, err) < 0 || drain(&run->err, err) < 0 ? -1 : 0;
}

static void settle_usage(const struct run *run, uint64_t go_us, const struct cgroup_usage *usage,
                         struct outcome *outcome)
{
    const struct shim_record *started = &run->started, *ended = &run->ended;
    if (started->kind) {
        uint64_t end_us = ended->kind ? ended->time_us : run->timed_out_us ? run->timed_out_us : pe_now_us();
        outcome->crun_us = started->time_us - go_us;
        outcome->wall_us = end_us - started->time_us;
    }
    outcome->user_us = ended->kind ? ended->user_us : usage->user_us;
    outcome->system_us = ended->kind ? ended->system_us : usage->system_us;
    outcome->max_rss_kib = ended->kind ? ended->max_rss_kib : usage->peak_kib;
}

/* As long as the program has not started, what is on stderr is crun's: its first line says what is wrong. */
static int fail_start(const struct run *run, struct pe_error *err)
{
    struct pe_cursor text = {.at = run->err.kept.data, .left = run->err.kept.size};
    size_t length = 0;
    const uint8_t *line = pe_cursor_take_until(&text, '\n', &length);
    if (run->timed_out_us)
        return pe_fail(err, PE_ERR_LOST, "crun did not start the program in time");
    if (!line || length == 0)
        return pe_fail(err, PE_ERR_INTERNAL, "crun ended without starting the program or saying why");
    return pe_fail(err, PE_ERR_INTERNAL, "crun: %.*s", (int)length, (const char *)line);
}

static int settle_status(const struct run *run, const struct cgroup_usage *usage, struct outcome *outcome,
                         struct pe_error *err)
{
    if (!run->started.kind)
        return fail_start(run, err);
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

static void settle_streams(struct run *run, struct outcome *outcome)
{
    outcome->stdout_truncated = run->out.truncated;
    outcome->stderr_truncated = run->err.truncated;
    outcome->out = run->out.kept;
    outcome->err = run->err.kept;
    run->out.kept = run->err.kept = (struct pe_buf){0};
}

int run_job(const struct guest_job *job, uint64_t go_us, struct outcome *outcome, struct pe_error *err)
{
    pe_autorun struct run run = {.timeout_us = job->timeout_ms * 1000,
                                 .crun_fd = -1,
                                 .report_fd = -1,
                                 .out = {.fd = -1},
                                 .err = {.fd = -1}};
    struct cgroup_usage usage;
    int result = start(&run, job, err) < 0 || supervise(&run, err) < 0 ? -1 : 0;
    cgroup_read_usage(&usage);
    settle_usage(&run, go_us, &usage, outcome);
    if (result == 0)
        result = settle_status(&run, &usage, outcome, err);
    settle_streams(&run, outcome);
    return result;
}
