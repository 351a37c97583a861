/* SPDX-License-Identifier: Apache-2.0 */
/* Supervising a program: a poll loop over the shim and the two output pipes, with a deadline. It
 * does not rely on processes in the container to end, to close their pipes or to obey a signal. */
#include "guest-init/supervise.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/capture.h"
#include "guest-init/case_root.h"
#include "guest-init/cgroup.h"
#include "guest-init/host_maps.h"
#include "guest-init/layout.h"
#include "guest-init/live.h"
#include "guest-init/precedence.h"
#include "guest-init/shim_record.h"
#include "guest-init/thrash.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Time limits until the program is executed, and until a killed container has ended. They are long
 * because a guest may be emulated on a busy machine. */
#define START_TIMEOUT_US (30 * 1000000ull)
#define KILL_TIMEOUT_US (10 * 1000000ull)

enum stage {
    STARTING, /* the shim has been given the program */
    RUNNING,  /* the program runs; the deadline is its time limit */
    ENDING,   /* the program has ended, and the kernel kills the other processes */
    KILLED,   /* the cgroup was killed */
    ENDED,    /* the shim has ended, and with it all processes of the container */
};

struct supervision {
    struct container *container;
    enum stage stage;
    int interrupt_fd;      /* readable: the run is not needed any more; -1: none */
    uint64_t now_us;       /* at the end of the last turn */
    uint64_t deadline_us;  /* end of the stage */
    uint64_t timeout_us;   /* time limit of the program */
    uint64_t timed_out_us; /* when the program, or its start, exceeded its time; 0: it did not */
    uint64_t
        flooded_us; /* when the program exceeded the limit of a stream, which is its end; 0: it did not */
    struct shim_record started, ended; /* kind 0: not received */
    uint64_t host_maps_refused;        /* before the program started */
    struct pe_buf combined;
    size_t budget;              /* bytes that the streams may still keep */
    struct cgroup_usage before; /* of the container, when it got its program */
    uint64_t held_kib;          /* files that were there when the current stage began */
    uint64_t peak_kib;          /* of the stages that have ended */
    const char *cgroup;         /* name of the one that the program or the present stage is in */
    struct thrash thrash;       /* of that cgroup */
    struct case_root files;     /* of the case that runs */
    uint64_t scratch_bytes;
    struct live live;
    int order;           /* epoll of the streams of a job with `combined`; -1: the order does not matter */
    bool channel_open;   /* and something may be in it */
    bool staged;         /* there is a cgroup of a stage */
    bool stops_at_limit; /* of the streams */
    bool starved;        /* the program or the present stage was killed because it thrashed */
    bool shim_waits;     /* for an answer, because the program with a terminal has ended */
};

static void enter_stage(struct supervision *supervision, enum stage stage, uint64_t deadline_us)
{
    supervision->stage = stage;
    supervision->deadline_us = deadline_us;
}

/* Without an answer pe-shim ends the stage, and reports that. */
static void answer(const struct supervision *supervision, const struct shim_record *record,
                   struct shim_answer answer)
{
    answer.request = record->request;
    ssize_t sent = send(supervision->container->channel, &answer, sizeof answer, MSG_NOSIGNAL);
    (void)sent;
}

static void keep_peak(struct supervision *supervision, uint64_t peak_kib)
{
    if (peak_kib > supervision->peak_kib)
        supervision->peak_kib = peak_kib;
}

/* The counters of a stage are lost when the next one begins. */
static void keep_peak_of_stage(struct supervision *supervision)
{
    if (supervision->staged)
        keep_peak(supervision,
                  cgroup_read_peak_kib(supervision->container->kind->cgroup, GUEST_CGROUP_STAGE));
}

static struct case_user user_of_files(const struct supervision *supervision)
{
    return (struct case_user){.shim = supervision->container->shim,
                              .pidfd = supervision->container->shim_fd,
                              .scratch_bytes = supervision->scratch_bytes};
}

static int enter_files(struct supervision *supervision, struct pe_error *err)
{
    const struct case_user user = user_of_files(supervision);
    return case_root_enter(&supervision->files, &user, err);
}

static int leave_files(struct supervision *supervision)
{
    struct pe_error ignored;
    const struct case_user user = user_of_files(supervision);
    return case_root_leave(&supervision->files, &user, &ignored);
}

/* `first` is the process that becomes the program of the stage. It waits for the answer, because the
 * program must not start before it is in its cgroup. */
static void begin_stage(struct supervision *supervision, const struct shim_record *record, pid_t first)
{
    const char *cgroup = supervision->container->kind->cgroup;
    const struct cgroup_limits limits = {record->memory_bytes, record->processes};
    struct pe_error ignored;
    /* Both watch the stage: the shim reads its output and its clock, and asks this process for its usage. */
    precedence_take(0);
    precedence_take(supervision->container->shim);
    keep_peak_of_stage(supervision);
    supervision->staged = true;
    supervision->held_kib = cgroup_read_files_kib(cgroup);
    supervision->cgroup = GUEST_CGROUP_STAGE;
    supervision->starved = false;
    supervision->thrash = (struct thrash){0};
    bool failed = cgroup_enter(cgroup, GUEST_CGROUP_STAGE, first, &limits, &ignored) < 0 ||
                  (record->files == SHIM_FILES_FRESH && enter_files(supervision, &ignored) < 0);
    live_set_program(&supervision->live, first);
    answer(supervision, record, (struct shim_answer){.failed = failed});
}

static void answer_usage(const struct supervision *supervision, const struct shim_record *record, bool failed)
{
    struct cgroup_usage usage;
    cgroup_read_usage(supervision->container->kind->cgroup, GUEST_CGROUP_STAGE, &usage);
    answer(supervision, record,
           (struct shim_answer){.failed = failed,
                                .user_us = usage.user_us,
                                .system_us = usage.system_us,
                                .peak_kib = usage.peak_kib,
                                .oom_kills = usage.oom_kills + supervision->starved,
                                .held_kib = supervision->held_kib});
}

/* Stages are started by the shim itself, which is not to get signals; the programs of stages are. */
static void note_start(struct supervision *supervision, pid_t sender)
{
    if (sender != supervision->container->shim)
        live_set_program(&supervision->live, sender);
}

static void note_end(struct supervision *supervision)
{
    live_set_program(&supervision->live, 0);
    supervision->shim_waits = supervision->live.terminal.master >= 0;
}

static void handle_record(struct supervision *supervision, const struct shim_record *record, pid_t sender)
{
    if (record->kind == SHIM_STARTED && !supervision->started.kind) {
        supervision->started = *record;
        note_start(supervision, sender);
        if (supervision->stage == STARTING)
            enter_stage(supervision, RUNNING, record->time_us + supervision->timeout_us);
    } else if (record->kind == SHIM_ENDED && !supervision->ended.kind) {
        supervision->ended = *record;
        supervision->channel_open = false; /* nothing that follows matters */
        note_end(supervision);
        if (supervision->stage == RUNNING)
            enter_stage(supervision, ENDING, record->time_us + KILL_TIMEOUT_US);
    } else if (record->kind == SHIM_STAGE && supervision->stage == RUNNING) {
        begin_stage(supervision, record, sender);
    } else if (record->kind == SHIM_USAGE && supervision->stage == RUNNING) {
        answer_usage(supervision, record, false);
    } else if (record->kind == SHIM_LEAVE && supervision->stage == RUNNING) {
        answer_usage(supervision, record, leave_files(supervision) < 0);
    }
}

static void read_records(struct supervision *supervision)
{
    struct shim_record record;
    struct ucred sender = {.pid = -1};
    int received = 0;
    while (supervision->channel_open &&
           (received = container_receive(supervision->container, &record, &sender)) > 0)
        handle_record(supervision, &record, sender.pid);
    if (received < 0) /* poll(2) would return at once from now on */
        supervision->channel_open = false;
}

/* Read what a terminal has from programs that are about to end: the kernel drops it with their session. Other
 * programs may go on writing, so this ends as well if there is more than a terminal can hold. */
static int rescue_output(struct supervision *supervision, struct pe_error *err)
{
    enum { READS = 64 };
    int more = supervision->live.terminal.master >= 0;
    for (int i = 0; more > 0 && i < READS; i++)
        more = capture_read(&supervision->container->out, err);
    return more < 0 ? -1 : 0;
}

static int let_shim_end(struct supervision *supervision, struct pe_error *err)
{
    if (!supervision->shim_waits)
        return 0;
    supervision->shim_waits = false;
    if (rescue_output(supervision, err) < 0)
        return -1;
    answer(supervision, &supervision->ended, (struct shim_answer){.failed = 0});
    return 0;
}

/* The deadline of the stage has passed. Take the next harder measure. */
static int escalate(struct supervision *supervision, struct pe_error *err)
{
    const uint64_t now = supervision->now_us;
    switch (supervision->stage) {
    case STARTING:
    case RUNNING:
        supervision->timed_out_us = now;
        __attribute__((fallthrough));
    case ENDING:
        if (rescue_output(supervision, err) < 0)
            return -1;
        enter_stage(supervision, KILLED, now + KILL_TIMEOUT_US);
        return cgroup_kill(supervision->container->kind->cgroup, err);
    case KILLED:
    case ENDED:
        break;
    }
    return pe_fail(err, PE_ERR_INTERNAL, "the container does not end, even after SIGKILL");
}

/* If the job demands it, end a program that has written more than is kept. One that has just ended by
 * itself counts as well, so that the status does not depend on which of both is noticed first. */
static int check_streams(struct supervision *supervision, struct pe_error *err)
{
    const struct container *container = supervision->container;
    if (!supervision->stops_at_limit || supervision->flooded_us || supervision->timed_out_us ||
        !(container->out.truncated || container->err.truncated))
        return 0;
    supervision->flooded_us = pe_now_us();
    if (supervision->stage >= KILLED)
        return 0;
    enter_stage(supervision, KILLED, supervision->flooded_us + KILL_TIMEOUT_US);
    return cgroup_kill(container->kind->cgroup, err);
}

/* A job that thrashes has reached its limit of memory, although the kernel kills none of its processes. End
 * the program, or its present stage. pe-shim stays, and says how it ended. */
static int check_memory(struct supervision *supervision, struct pe_error *err)
{
    const char *cgroup = supervision->container->kind->cgroup;
    if (supervision->stage != RUNNING ||
        !thrash_is_hopeless(&supervision->thrash, cgroup, supervision->cgroup))
        return 0;
    supervision->starved = true;
    return cgroup_kill_below(cgroup, supervision->cgroup, err);
}

static int on_pressure(struct supervision *supervision, short events, struct pe_error *err)
{
    if (events & POLLERR)
        close(pe_steal_fd(&supervision->container->pressure));
    return events & POLLPRI ? check_memory(supervision, err) : 0;
}

static int milliseconds_between(uint64_t now_us, uint64_t deadline_us)
{
    return now_us >= deadline_us ? 0 : (int)((deadline_us - now_us + 999) / 1000);
}

/* Read the stream that was written to first. Returns 1, or 0 if there is nothing to read. */
static int read_first(const struct supervision *supervision, struct pe_error *err)
{
    struct epoll_event event;
    if (epoll_wait(supervision->order, &event, 1, 0) != 1)
        return 0;
    return capture_read(event.data.ptr, err) < 0 ? -1 : 1;
}

/* When step has to act at the latest. Live data is not exchanged any more when the program has ended. */
static uint64_t next_deadline(const struct supervision *supervision)
{
    uint64_t live_us = supervision->stage <= RUNNING ? live_deadline(&supervision->live) : 0;
    return live_us && live_us < supervision->deadline_us ? live_us : supervision->deadline_us;
}

/* Live data goes in both directions until the program has ended. What the host sends later crosses with the
 * end of the job. */
static int exchange_live(struct supervision *supervision, bool rung, bool writable, struct pe_error *err)
{
    struct live *live = &supervision->live;
    if (supervision->stage > RUNNING)
        return 0;
    if (rung && live_on_doorbell(live, err) < 0)
        return -1;
    if (writable)
        live_feed(live);
    return live_stream(live, &supervision->container->out, &supervision->container->err, err);
}

/* Wait for the next event and handle it. poll(2) ignores negative descriptors, which are closed
 * streams. */
static int step(struct supervision *supervision, struct pe_error *err)
{
    enum { SHIM, CHANNEL, OUT, ERR, INTERRUPT, DOORBELL, INPUT, PRESSURE, COUNT };
    struct container *container = supervision->container;
    bool ordered = supervision->order >= 0;
    struct pollfd fds[COUNT] = {
        [SHIM] = {.fd = container->shim_fd, .events = POLLIN},
        [CHANNEL] = {.fd = supervision->channel_open ? container->channel : -1, .events = POLLIN},
        [OUT] = {.fd = ordered ? supervision->order : container->out.fd, .events = POLLIN},
        [ERR] = {.fd = ordered ? -1 : container->err.fd, .events = POLLIN},
        [INTERRUPT] = {.fd = supervision->stage < KILLED ? supervision->interrupt_fd : -1, .events = POLLIN},
        [DOORBELL] = {.fd = supervision->stage <= RUNNING ? supervision->live.serial : -1, .events = POLLIN},
        [INPUT] = {.fd = supervision->stage <= RUNNING ? live_blocked_input(&supervision->live) : -1,
                   .events = POLLOUT},
        [PRESSURE] = {.fd = container->pressure, .events = POLLPRI},
    };
    const int timeout_ms = milliseconds_between(supervision->now_us, next_deadline(supervision));
    if (poll(fds, COUNT, timeout_ms) < 0 && errno != EINTR)
        return pe_fail_errno(err, "cannot wait for the program");
    if (fds[CHANNEL].revents)
        read_records(supervision);
    if (let_shim_end(supervision, err) < 0)
        return -1;
    if (fds[OUT].revents && (ordered ? read_first(supervision, err) : capture_read(&container->out, err)) < 0)
        return -1;
    if ((fds[ERR].revents && capture_read(&container->err, err) < 0) || check_streams(supervision, err) < 0)
        return -1;
    if (fds[PRESSURE].revents && on_pressure(supervision, fds[PRESSURE].revents, err) < 0)
        return -1;
    if (exchange_live(supervision, fds[DOORBELL].revents, fds[INPUT].revents, err) < 0)
        return -1;
    if (fds[SHIM].revents) {
        supervision->stage = ENDED;
        return 0;
    }
    supervision->now_us = pe_now_us();
    const bool late = supervision->now_us >= supervision->deadline_us;
    return fds[INTERRUPT].revents || late ? escalate(supervision, err) : 0;
}

/* Read the rest of a pipe. All writers are dead, so this ends. */
static int drain(struct capture *capture, struct pe_error *err)
{
    int more = 1;
    while (more > 0)
        more = capture_read(capture, err);
    return more;
}

static int supervise_to_end(struct supervision *supervision, struct pe_error *err)
{
    while (supervision->stage != ENDED)
        if (step(supervision, err) < 0)
            return -1;
    read_records(supervision);
    struct container *container = supervision->container;
    int more = supervision->order >= 0;
    while (more > 0)
        more = read_first(supervision, err);
    if (more < 0 || drain(&container->out, err) < 0 || drain(&container->err, err) < 0 ||
        capture_end_combined(&container->out, err) < 0 || capture_end_combined(&container->err, err) < 0)
        return -1;
    return check_streams(supervision, err);
}

static void settle_usage(const struct supervision *supervision, uint64_t go_us,
                         const struct cgroup_usage *usage, struct exit_report *report)
{
    const struct shim_record *started = &supervision->started, *ended = &supervision->ended;
    if (started->kind) {
        uint64_t end_us = ended->kind                 ? ended->time_us
                          : supervision->timed_out_us ? supervision->timed_out_us
                          : supervision->flooded_us   ? supervision->flooded_us
                                                      : pe_now_us();
        report->exec_us = started->time_us - go_us;
        report->wall_us = end_us - started->time_us;
    }
    report->user_us = usage->user_us - supervision->before.user_us;
    report->system_us = usage->system_us - supervision->before.system_us;
    report->max_rss_kib = supervision->peak_kib;
}

static int settle_status(const struct supervision *supervision, const struct cgroup_usage *usage,
                         struct exit_report *report, struct pe_error *err)
{
    if (!supervision->started.kind)
        return pe_fail(err, PE_ERR_INTERNAL,
                       supervision->timed_out_us ? "the program did not start in time"
                                                 : "the container ended before its program started");
    if (supervision->ended.kind && WIFEXITED(supervision->ended.wait_status))
        report->exit_code = WEXITSTATUS(supervision->ended.wait_status);
    if (supervision->ended.kind && WIFSIGNALED(supervision->ended.wait_status))
        report->signal = WTERMSIG(supervision->ended.wait_status);

    /* pe-init may notice late that the time is over. */
    if (supervision->timed_out_us || report->wall_us > supervision->timeout_us)
        report->status = EXIT_REPORT_TIMEOUT;
    else if (supervision->flooded_us)
        report->status = EXIT_REPORT_STREAM_LIMIT;
    else if (supervision->starved && report->signal)
        report->status = EXIT_REPORT_OOM;
    else if (report->exit_code != 0 && host_maps_refused() > supervision->host_maps_refused)
        return pe_fail(err, PE_ERR_INTERNAL,
                       "the host refused memory to a process of the job, which was killed: its memory is too "
                       "scattered for this host's vm.max_map_count, or the host has no memory left");
    else if (usage->oom_kills && report->exit_code != 0)
        report->status = EXIT_REPORT_OOM;
    else if (!supervision->ended.kind)
        return pe_fail(err, PE_ERR_INTERNAL, "the container ended without a report of the program's end");
    else
        report->status = report->signal ? EXIT_REPORT_SIGNALED : EXIT_REPORT_EXITED;
    return 0;
}

static void settle_streams(struct container *container, struct exit_report *report)
{
    report->stdout_truncated = container->out.truncated;
    report->stderr_truncated = container->err.truncated;
    report->out = container->out.kept;
    report->err = container->err.kept;
    container->out.kept = container->err.kept = (struct pe_buf){0};
    container->out.budget = container->err.budget = NULL;
}

/* Keep both streams in one buffer as well, in the order of the writes. */
static int combine_streams(struct supervision *supervision, struct pe_error *err)
{
    struct container *container = supervision->container;
    supervision->order = epoll_create1(EPOLL_CLOEXEC);
    if (supervision->order < 0)
        return pe_fail_errno(err, "cannot watch the streams");
    precedence_take(0);
    if (capture_combine(&container->out, supervision->order, &supervision->combined, err) < 0)
        return -1;
    return capture_combine(&container->err, supervision->order, &supervision->combined, err);
}

/* A terminal has one stream, whose order is that of the writes anyhow. */
static int use_terminal(struct supervision *supervision, const struct guest_job *job, struct pe_error *err)
{
    struct container *container = supervision->container;
    if (job->combined)
        container->out.combined = &supervision->combined;
    return capture_use_terminal(&container->out, supervision->live.terminal.master, err);
}

static int open_input(struct supervision *supervision, const struct guest_job *job, int *input,
                      struct pe_error *err)
{
    const struct container *container = supervision->container;
    if (live_open_input(&supervision->live, job, container->shim_fd, container->user, input, err) < 0)
        return -1;
    return job->rows ? use_terminal(supervision, job, err) : 0;
}

static uint64_t kind_of_input(const struct guest_job *job)
{
    if (!job->live_input)
        return SHIM_INPUT_FILE;
    return job->rows ? SHIM_INPUT_TERMINAL : SHIM_INPUT_PIPE;
}

static int give_program(struct supervision *supervision, const struct guest_job *job, struct pe_error *err)
{
    struct container *container = supervision->container;
    const bool packets = job->combined && !job->rows;
    const struct shim_start start = {.streams = packets ? SHIM_STREAMS_PACKETS : SHIM_STREAMS_PLAIN,
                                     .input = kind_of_input(job),
                                     .stack_bytes = job->stack_bytes};
    pe_autoclose int input = -1;
    if ((packets && combine_streams(supervision, err) < 0) ||
        (job->live_input && open_input(supervision, job, &input, err) < 0))
        return -1;
    if (cgroup_limit_processes(container->kind->cgroup, GUEST_CGROUP_PROGRAM, job->process_limit, err) < 0)
        return -1;
    return container_give_program(container, &start, input, err);
}

int supervise_program(struct container *container, const struct guest_job *job, uint64_t go_us,
                      int interrupt_fd, int serial, struct exit_report *report, struct pe_error *err)
{
    struct supervision supervision = {.container = container,
                                      .timeout_us = job->timeout_ms * 1000,
                                      .channel_open = true,
                                      .order = -1,
                                      .cgroup = GUEST_CGROUP_PROGRAM,
                                      .files = CASE_ROOT_NONE,
                                      .scratch_bytes = job->scratch_bytes,
                                      .stops_at_limit = job->stop_at_output_limit,
                                      .interrupt_fd = interrupt_fd,
                                      .budget = job->output_limit,
                                      .host_maps_refused = host_maps_refused(),
                                      .now_us = pe_now_us()};
    struct cgroup_usage usage;
    live_begin(&supervision.live, serial);
    container->out.limit = job->stdout_limit;
    container->err.limit = job->stderr_limit;
    container->out.budget = container->err.budget = &supervision.budget;
    cgroup_counters_read_time(&container->counters, &supervision.before);
    enter_stage(&supervision, STARTING, supervision.now_us + START_TIMEOUT_US);
    int result = give_program(&supervision, job, err) < 0 || supervise_to_end(&supervision, err) < 0 ? -1 : 0;
    live_end(&supervision.live);
    case_root_free(&supervision.files);
    precedence_return();
    cgroup_counters_read(&container->counters, &usage);
    keep_peak(&supervision, usage.peak_kib);
    keep_peak_of_stage(&supervision);
    settle_usage(&supervision, go_us, &usage, report);
    if (result == 0)
        result = settle_status(&supervision, &usage, report, err);
    settle_streams(container, report);
    report->has_combined = job->combined;
    report->combined = supervision.combined;
    if (supervision.order >= 0)
        close(supervision.order);
    return result;
}
