/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and reaping children. This process does no other work and has no connections, so that
 * there is little in it that could fail. */
#include "worker/supervisor.h"

#include "base/io.h"
#include "base/log.h"
#include "proto/limits.h"
#include "worker/balancer_discovery.h"
#include "worker/board.h"
#include "worker/host/cpu_seat.h"
#include "worker/host/vmm_users.h"
#include "worker/metrics.h"
#include "worker/owner_watch.h"
#include "worker/pause.h"
#include "worker/registration.h"
#include "worker/slot.h"
#include "worker/status_server.h"
#include "worker/stop_signal.h"
#include "worker/template_server.h"
#include "worker/worker_engine.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define RESTART_MS 500u
#define METRICS_MS 10000u
#define IDLE_MS 60000u
#define LOOK_MS 2000u                            /* between two looks at whether the owner wants a pause */
#define DRAIN_MS (PE_STAGED_JOB_MS_MAX + 40000u) /* longer than any job takes whose input is not typed */

enum { OTHERS = 5 }; /* children between the slots and the registrations */

struct child {
    pid_t pid; /* 0: not running */
    int (*run)(const struct worker_config *config);
    const char *name;
    uint32_t number; /* number of the slot */
    uint64_t start_after_us;
};

struct supervisor {
    struct worker_config *config;
    struct child *children; /* owned: the slots, then template server, search for an engine, discovery of
                               balancers, the answers to `pe-worker status`, the watch of the owner, and
                               registrations */
    size_t slots, count;
    bool switching; /* to another engine: the processes that use the old one end */
    bool draining;  /* the worker stops after the running jobs */
    uint64_t switch_deadline_us;
    uint64_t pause_deadline_us; /* when a pause begins, the running jobs may go on until then */
    sigset_t signals;           /* SIGCHLD, SIGTERM and SIGINT, blocked and read with sigtimedwait(2) */
};

/* The VMs of a slot stay on one CPU if the engine wants it. The descriptor is open until the slot ends. */
static void choose_cpu(struct worker_config *config)
{
    struct pe_error err;
    if (cpu_seat_take(config->cpu_file, config->slot, &config->vm.cpu, &err) < 0)
        pe_log(PE_LOG_WARN, "%s; this slot uses CPU %u", err.message, config->vm.cpu);
}

static struct child *template_server_of(const struct supervisor *supervisor)
{
    return &supervisor->children[supervisor->slots];
}

static struct child *search_of(const struct supervisor *supervisor)
{
    return &supervisor->children[supervisor->slots + 1];
}

static struct child *discovery_of(const struct supervisor *supervisor)
{
    return &supervisor->children[supervisor->slots + 2];
}

static struct child *status_of(const struct supervisor *supervisor)
{
    return &supervisor->children[supervisor->slots + 3];
}

static struct child *owner_watch_of(const struct supervisor *supervisor)
{
    return &supervisor->children[supervisor->slots + 4];
}

/* The registration with a balancer. There is a child for each that there may be. */
static struct child *registration_of(const struct supervisor *supervisor, size_t balancer)
{
    return &supervisor->children[supervisor->slots + OTHERS + balancer];
}

static bool is_registration(const struct supervisor *supervisor, const struct child *child)
{
    return child >= registration_of(supervisor, 0);
}

static size_t running(const struct supervisor *supervisor, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += supervisor->children[i].pid != 0;
    return n;
}

/* Whether the child shall run. */
static bool is_wanted(const struct supervisor *supervisor, const struct child *child)
{
    const struct worker_config *config = supervisor->config;
    if (child == status_of(supervisor))
        return true;
    if (child == owner_watch_of(supervisor))
        return !supervisor->draining && config->idle_only;
    if (child == discovery_of(supervisor))
        return !supervisor->draining && balancer_discovery_is_needed(config);
    if (balancer_discovery_is_needed(config) && !config->balancers_are_known)
        return false;
    if (is_registration(supervisor, child))
        return (size_t)(child - registration_of(supervisor, 0)) < config->balancers.count;
    if (supervisor->draining) /* the jobs that still run may wait for it */
        return child == template_server_of(supervisor) && running(supervisor, supervisor->slots);
    if (child == search_of(supervisor) && !supervisor->config->engine_undecided)
        return false;
    if (config->paused && !supervisor->switching)
        return child == template_server_of(supervisor) && running(supervisor, supervisor->slots);
    return !supervisor->switching;
}

/* What a process logs is told to `pe-worker status`. */
static void on_log(void *data, enum pe_log_level level, const char *request, const char *message)
{
    const struct worker_config *config = data;
    (void)level, (void)request;
    board_say(config->board, config->slot, message);
}

/* Called in the child. The VMs of the template server have a user of their own as well. */
static int run_child(const struct supervisor *supervisor, const struct child *child)
{
    struct worker_config config = *supervisor->config;
    config.slot = child->number;
    if (is_registration(supervisor, child))
        config.balancer = (size_t)(child - registration_of(supervisor, 0));
    config.slot_uid = vmm_user(config.users, VMM_USER_SLOT, child->number);
    config.link_uid = vmm_user(config.users, VMM_USER_LINK, child->number);
    if (config.own_users)
        config.vm.uid = config.vm.gid = vmm_user(config.users, VMM_USER_VMM, child->number);
    if (child != discovery_of(supervisor))
        balancer_discovery_unshare(&config);
    pe_log_watch(on_log, &config);
    board_set(config.board, config.slot, BOARD_STARTING);
    if (child->run == slot_main)
        choose_cpu(&config);
    return child->run(&config);
}

static int start_child(const struct supervisor *supervisor, struct child *child, struct pe_error *err)
{
    pid_t parent = getpid();
    child->pid = fork();
    if (child->pid < 0) {
        child->pid = 0;
        return pe_fail_errno(err, "cannot fork the %s process", child->name);
    }
    if (child->pid > 0)
        return 0;
    sigset_t child_signal;
    sigemptyset(&child_signal);
    sigaddset(&child_signal, SIGCHLD);
    sigprocmask(SIG_UNBLOCK, &child_signal, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(1);
    /* In a process group of its own the child does not get the SIGINT of a terminal. The supervisor
     * gets it, and asks its children to finish. */
    setpgid(0, 0);
    stop_signal_catch();
    _exit(run_child(supervisor, child));
}

static void start_due(const struct supervisor *supervisor)
{
    struct pe_error err;
    for (size_t i = 0; i < supervisor->count; i++) {
        struct child *child = &supervisor->children[i];
        if (child->pid || !is_wanted(supervisor, child) || pe_now_us() < child->start_after_us ||
            start_child(supervisor, child, &err) == 0)
            continue;
        pe_log(PE_LOG_ERROR, "%s", err.message);
        child->start_after_us = pe_now_us() + RESTART_MS * 1000;
    }
}

static void signal_all(const struct supervisor *supervisor, size_t count, int signal)
{
    for (size_t i = 0; i < count; i++)
        if (supervisor->children[i].pid)
            kill(supervisor->children[i].pid, signal);
}

/* The search has ended. */
static void note_search(struct supervisor *supervisor, int status)
{
    if (!WIFEXITED(status))
        return; /* it starts again */
    supervisor->config->engine_undecided = false;
    if (WEXITSTATUS(status) != WORKER_ENGINE_BETTER)
        return;
    pe_log(PE_LOG_INFO, "the engine changes after the running jobs");
    supervisor->switching = true;
    supervisor->switch_deadline_us = pe_now_us() + DRAIN_MS * 1000ull;
    signal_all(supervisor, supervisor->slots, SIGTERM);
}

/* Kill a child that has nothing to finish. It need not be able to react, and its own children end with it. */
static void end_child(struct child *child)
{
    if (child->pid && kill(child->pid, SIGKILL) == 0)
        waitpid(child->pid, NULL, 0);
    *child = (struct child){.run = child->run, .name = child->name, .number = child->number};
}

/* Names of balancers stand for others now. Slots begin again with the new list after their jobs. */
static void use_new_balancers(struct supervisor *supervisor)
{
    struct worker_config *config = supervisor->config;
    const struct balancer_list before = config->balancers;
    struct pe_error err;
    if (balancer_list_take(config->discovered, config->servers, config->server_count, &config->balancers,
                           &err) < 0) {
        pe_log(PE_LOG_ERROR, "what the search for balancers has found is not used: %s", err.message);
        return;
    }
    for (size_t i = 0; i < BALANCERS_MAX; i++)
        if (memcmp(&before.items[i], &config->balancers.items[i], sizeof before.items[i]) != 0 ||
            i >= config->balancers.count)
            end_child(registration_of(supervisor, i));
    end_child(status_of(supervisor));
    signal_all(supervisor, supervisor->slots, SIGTERM);
    pe_log(PE_LOG_INFO, "the names of --server stand for %zu balancers", config->balancers.count);
}

/* The process that looks up the names of balancers has ended. If it died in its first look, the names are
 * used as they are. */
static void note_discovery(struct supervisor *supervisor, int status)
{
    struct worker_config *config = supervisor->config;
    if (WIFEXITED(status) && WEXITSTATUS(status) == BALANCER_DISCOVERY_CHANGED)
        use_new_balancers(supervisor);
    config->balancers_are_known = true;
}

/* The process that watches the owner has ended. */
static void note_owner(struct supervisor *supervisor, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) >= OWNER_WATCH_CHANGED)
        supervisor->config->owner_sign = (enum owner_sign)(WEXITSTATUS(status) - OWNER_WATCH_CHANGED);
}

static void note_death(struct supervisor *supervisor, pid_t pid, int status)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        struct child *child = &supervisor->children[i];
        if (child->pid != pid)
            continue;
        child->pid = 0;
        child->start_after_us = pe_now_us() + RESTART_MS * 1000;
        board_set(supervisor->config->board, i, BOARD_ENDED);
        if (child == search_of(supervisor))
            note_search(supervisor, status);
        if (child == owner_watch_of(supervisor))
            note_owner(supervisor, status);
        if (child == discovery_of(supervisor))
            note_discovery(supervisor, status);
        if (WIFSIGNALED(status) && !((child == search_of(supervisor) || child == discovery_of(supervisor)) &&
                                     WTERMSIG(status) == SIGKILL))
            pe_log(PE_LOG_WARN, "a %s process (%d) died of signal %d (%s)", child->name, (int)pid,
                   WTERMSIG(status), strsignal(WTERMSIG(status)));
    }
}

static void reap(struct supervisor *supervisor)
{
    int status = 0;
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG))
        note_death(supervisor, pid, status);
}

/* ---- changing the engine ---- */

/* The balancers learn the new engine and its isolation from new registrations, before there is a slot. */
static void register_again(struct supervisor *supervisor)
{
    for (size_t i = 0; i < BALANCERS_MAX; i++)
        end_child(registration_of(supervisor, i));
    end_child(status_of(supervisor)); /* it tells the new one, too */
}

/* No VM of the old engine is left. If the new one cannot be used after all, the old one stays. */
static void use_new_engine(struct supervisor *supervisor)
{
    struct worker_config next = *supervisor->config;
    struct pe_error err;
    next.vm.jail = NULL;
    if (worker_engine_choose(&next, false, &err) < 0) {
        pe_log(PE_LOG_ERROR, "the engine stays as it is: %s", err.message);
    } else {
        vm_host_release(&supervisor->config->vm);
        *supervisor->config = next;
    }
    supervisor->switching = false;
    register_again(supervisor);
}

/* The slots end first: until then their jobs may need the template server. Its snapshots are of the old
 * engine, so no slot may start before it has ended. */
static void go_on_switching(struct supervisor *supervisor)
{
    if (running(supervisor, supervisor->slots)) {
        if (pe_now_us() >= supervisor->switch_deadline_us)
            signal_all(supervisor, supervisor->slots, SIGKILL);
    } else {
        end_child(template_server_of(supervisor));
        use_new_engine(supervisor);
    }
}

/* ---- pausing ---- */

/* The balancers send no more jobs, and the slots end after theirs. */
static void pause_worker(struct supervisor *supervisor, const char *why)
{
    struct worker_config *config = supervisor->config;
    pe_log(PE_LOG_INFO, "the worker pauses: %s", why);
    config->paused = true;
    supervisor->pause_deadline_us = pe_now_us() + config->pause_grace_s * 1000000ull;
    signal_all(supervisor, supervisor->slots, SIGTERM);
    for (size_t i = 0; i < BALANCERS_MAX; i++)
        if (registration_of(supervisor, i)->pid)
            kill(registration_of(supervisor, i)->pid, SIGTERM);
    if (search_of(supervisor)->pid)
        kill(search_of(supervisor)->pid, SIGKILL);
}

static void resume_worker(struct supervisor *supervisor)
{
    pe_log(PE_LOG_INFO, "the worker runs jobs again");
    supervisor->config->paused = false;
    register_again(supervisor);
}

/* A slot that is killed loses its connections, so the balancer gives its job to another one. */
static void go_on_pausing(struct supervisor *supervisor)
{
    if (running(supervisor, supervisor->slots)) {
        if (pe_now_us() < supervisor->pause_deadline_us)
            return;
        pe_log(PE_LOG_INFO, "the jobs that still run are given back to the balancer");
        supervisor->pause_deadline_us = UINT64_MAX;
        signal_all(supervisor, supervisor->slots, SIGKILL);
    } else {
        end_child(template_server_of(supervisor));
    }
}

static void follow_owner(struct supervisor *supervisor)
{
    struct worker_config *config = supervisor->config;
    const char *why = pause_reason(config);
    if (why && !config->paused)
        pause_worker(supervisor, why);
    if (!why && config->paused)
        resume_worker(supervisor);
    board_set(config->board, config->slot, why ? BOARD_PAUSED : BOARD_WORKING);
    board_explain(config->board, config->slot, why ? why : "");
    if (config->paused)
        go_on_pausing(supervisor);
}

/* Wait for a signal. Returns 0 if none arrives within `ms` milliseconds. */
static int next_signal(const struct supervisor *supervisor, unsigned ms)
{
    const struct timespec timeout = {ms / 1000, (long)(ms % 1000) * 1000000};
    int signal = sigtimedwait(&supervisor->signals, NULL, &timeout);
    return signal > 0 ? signal : 0;
}

/* Wait until the first `end` children, which were asked to stop, have ended. Returns false if that takes too
 * long, or a second signal asks to stop at once. */
static bool await_end(struct supervisor *supervisor, size_t end, uint64_t deadline_us)
{
    while (running(supervisor, end)) {
        int signal = next_signal(supervisor, RESTART_MS);
        reap(supervisor);
        if (signal == SIGTERM || signal == SIGINT || pe_now_us() >= deadline_us)
            return false;
        start_due(supervisor);
    }
    return true;
}

/* The slots end first: until then their jobs may need the template server. The registrations stay until all
 * other children have ended: they tell the balancers that the worker drains. The searches for an engine and
 * for balancers are not waited for. */
static void drain(struct supervisor *supervisor)
{
    uint64_t deadline_us = pe_now_us() + DRAIN_MS * 1000ull;
    supervisor->draining = true;
    board_set(supervisor->config->board, supervisor->config->slot, BOARD_DRAINING);
    if (search_of(supervisor)->pid)
        kill(search_of(supervisor)->pid, SIGKILL);
    if (discovery_of(supervisor)->pid)
        kill(discovery_of(supervisor)->pid, SIGKILL);
    signal_all(supervisor, supervisor->slots, SIGTERM);
    for (size_t i = 0; i < BALANCERS_MAX; i++)
        if (registration_of(supervisor, i)->pid)
            kill(registration_of(supervisor, i)->pid, SIGTERM);
    (void)await_end(supervisor, supervisor->slots, deadline_us);
    signal_all(supervisor, supervisor->count, SIGKILL);
    while (wait(NULL) > 0 || errno == EINTR)
        ;
    vm_sweep(&supervisor->config->vm); /* of children that were killed */
}

static int supervisor_init(struct supervisor *supervisor, struct worker_config *config, struct pe_error *err)
{
    uint32_t slots = config->slots + config->ahead;
    *supervisor =
        (struct supervisor){.config = config, .slots = slots, .count = slots + OTHERS + BALANCERS_MAX};
    supervisor->children = calloc(supervisor->count, sizeof *supervisor->children);
    if (!supervisor->children)
        return pe_fail_errno(err, "out of memory for %u slots", config->slots);
    for (uint32_t i = 0; i < slots; i++)
        supervisor->children[i] = (struct child){.run = slot_main, .name = "slot", .number = i};
    *template_server_of(supervisor) =
        (struct child){.run = template_server_main, .name = "template server", .number = slots};
    *search_of(supervisor) = (struct child){
        .run = worker_engine_retry_main, .name = "search for a better engine", .number = slots + 1};
    *discovery_of(supervisor) =
        (struct child){.run = balancer_discovery_main, .name = "search for balancers", .number = slots + 2};
    *status_of(supervisor) = (struct child){.run = status_server_main, .name = "status", .number = slots + 3};
    *owner_watch_of(supervisor) =
        (struct child){.run = owner_watch_main, .name = "owner watch", .number = slots + 4};
    for (uint32_t i = 0; i < BALANCERS_MAX; i++)
        *registration_of(supervisor, i) =
            (struct child){.run = registration_main, .name = "registration", .number = slots + OTHERS + i};
    config->slot = (uint32_t)supervisor->count;
    config->board = board_make(slots, supervisor->count, BALANCERS_MAX, err);
    if (!config->board)
        return -1;
    pe_log_watch(on_log, config);
    board_set(config->board, config->slot, BOARD_WORKING);
    sigemptyset(&supervisor->signals);
    sigaddset(&supervisor->signals, SIGCHLD);
    sigaddset(&supervisor->signals, SIGTERM);
    sigaddset(&supervisor->signals, SIGINT);
    sigprocmask(SIG_BLOCK, &supervisor->signals, NULL);
    return 0;
}

/* How long to wait for a signal before something else is due. */
static unsigned tick_ms(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->count; i++)
        if (!supervisor->children[i].pid &&
            (supervisor->switching || is_wanted(supervisor, &supervisor->children[i])))
            return RESTART_MS;
    if (supervisor->config->paused && running(supervisor, supervisor->slots))
        return RESTART_MS;
    if (pause_is_possible(supervisor->config))
        return LOOK_MS;
    return supervisor->config->metrics_file ? METRICS_MS : IDLE_MS;
}

static void write_metrics(const struct supervisor *supervisor)
{
    static bool complained;
    struct pe_error err;
    const struct worker_config *config = supervisor->config;
    if (!config->metrics_file ||
        metrics_write(config->metrics, vm_isolation(config->vm.accel), config->metrics_file, &err) == 0 ||
        complained)
        return;
    pe_log(PE_LOG_WARN, "cannot write the metrics: %s", err.message);
    complained = true;
}

int supervisor_run(struct worker_config *config, struct pe_error *err)
{
    struct supervisor supervisor;
    if (supervisor_init(&supervisor, config, err) < 0)
        return -1;
    for (int signal = 0; signal != SIGTERM && signal != SIGINT;) {
        follow_owner(&supervisor);
        if (supervisor.switching)
            go_on_switching(&supervisor);
        start_due(&supervisor);
        write_metrics(&supervisor);
        /* A trial of an engine lets the handler run, and then the signal does not wait any more. */
        signal = stop_requested ? SIGTERM : next_signal(&supervisor, tick_ms(&supervisor));
        reap(&supervisor);
    }
    pe_log(PE_LOG_INFO, "stopping after the running jobs");
    drain(&supervisor);
    write_metrics(&supervisor);
    board_free(config->board);
    config->board = NULL;
    free(supervisor.children);
    return 0;
}
