/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and reaping children. This process does no other work and has no connections, so that
 * there is little in it that could fail. */
#include "worker/supervisor.h"

#include "base/child.h"
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
#include <sys/wait.h>
#include <unistd.h>

#define RESTART_MS 500u
#define METRICS_MS 10000u
#define IDLE_MS 60000u
#define LOOK_MS 2000u                            /* between two looks at whether the owner wants a pause */
#define DRAIN_MS (PE_STAGED_JOB_MS_MAX + 40000u) /* longer than any job takes whose input is not typed */

/* What a child is for, in the order of the children. There is one for each slot, one for each balancer that
 * there may be, and one for each other role. */
enum role {
    ROLE_SLOT,
    ROLE_TEMPLATE_SERVER,
    ROLE_ENGINE_SEARCH,
    ROLE_DISCOVERY,
    ROLE_STATUS,
    ROLE_OWNER_WATCH,
    ROLE_REGISTRATION,
};

static const struct {
    int (*run)(const struct worker_config *config);
    const char *name;
} roles[] = {
    [ROLE_SLOT] = {slot_main, "slot"},
    [ROLE_TEMPLATE_SERVER] = {template_server_main, "template server"},
    [ROLE_ENGINE_SEARCH] = {worker_engine_retry_main, "search for a better engine"},
    [ROLE_DISCOVERY] = {balancer_discovery_main, "search for balancers"},
    [ROLE_STATUS] = {status_server_main, "status"},
    [ROLE_OWNER_WATCH] = {owner_watch_main, "owner watch"},
    [ROLE_REGISTRATION] = {registration_main, "registration"},
};

struct child {
    pid_t pid; /* 0: not running */
    enum role role;
    uint32_t number;   /* among all children */
    uint32_t balancer; /* of a registration */
    uint64_t start_after_us;
};

struct supervisor {
    struct worker_config *config;
    struct child *children; /* owned */
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

/* The first child with this role. */
static struct child *child_of(const struct supervisor *supervisor, enum role role)
{
    return role == ROLE_SLOT ? supervisor->children
                             : &supervisor->children[supervisor->slots + role - ROLE_TEMPLATE_SERVER];
}

static bool slots_run(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->slots; i++)
        if (supervisor->children[i].pid)
            return true;
    return false;
}

static bool knows_balancers(const struct worker_config *config)
{
    return config->balancers_are_known || !balancer_discovery_is_needed(config);
}

static bool takes_jobs(const struct supervisor *supervisor)
{
    return knows_balancers(supervisor->config) && !supervisor->config->paused && !supervisor->switching &&
           !supervisor->draining;
}

/* Whether the child shall run. */
static bool is_wanted(const struct supervisor *supervisor, const struct child *child)
{
    const struct worker_config *config = supervisor->config;
    switch (child->role) {
    case ROLE_SLOT:
        return takes_jobs(supervisor);
    case ROLE_TEMPLATE_SERVER: /* the last jobs may wait for it; none starts while the engine changes */
        return takes_jobs(supervisor) ||
               ((supervisor->draining || !supervisor->switching) && slots_run(supervisor));
    case ROLE_ENGINE_SEARCH:
        return takes_jobs(supervisor) && config->engine.undecided;
    case ROLE_DISCOVERY:
        return !supervisor->draining && balancer_discovery_is_needed(config);
    case ROLE_STATUS:
        return true;
    case ROLE_OWNER_WATCH:
        return !supervisor->draining && config->owner.idle_only;
    case ROLE_REGISTRATION:
        return knows_balancers(config) && child->balancer < config->balancers.count;
    }
    return false;
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
    if (child->role == ROLE_REGISTRATION)
        config.balancer = child->balancer;
    config.users.slot = vmm_user(config.users.first, VMM_USER_SLOT, child->number);
    config.users.link = vmm_user(config.users.first, VMM_USER_LINK, child->number);
    if (config.users.own)
        config.vm.uid = config.vm.gid = vmm_user(config.users.first, VMM_USER_VMM, child->number);
    if (child->role != ROLE_DISCOVERY)
        balancer_discovery_unshare(&config);
    pe_log_watch(on_log, &config);
    board_set(config.board, config.slot, BOARD_STARTING);
    if (child->role == ROLE_SLOT)
        choose_cpu(&config);
    return roles[child->role].run(&config);
}

static int start_child(const struct supervisor *supervisor, struct child *child, struct pe_error *err)
{
    pid_t parent = getpid();
    child->pid = fork();
    if (child->pid < 0) {
        child->pid = 0;
        return pe_fail_errno(err, "cannot fork the %s process", roles[child->role].name);
    }
    if (child->pid > 0)
        return 0;
    sigset_t child_signal;
    sigemptyset(&child_signal);
    sigaddset(&child_signal, SIGCHLD);
    sigprocmask(SIG_UNBLOCK, &child_signal, NULL);
    if (pe_child_die_with(parent) < 0)
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

/* Send a signal to those of `count` children that run. */
static void signal_children(const struct child *children, size_t count, int signal)
{
    for (size_t i = 0; i < count; i++)
        if (children[i].pid)
            kill(children[i].pid, signal);
}

static void signal_slots(const struct supervisor *supervisor, int signal)
{
    signal_children(supervisor->children, supervisor->slots, signal);
}

static void signal_child(const struct supervisor *supervisor, enum role role, int signal)
{
    signal_children(child_of(supervisor, role), 1, signal);
}

static void signal_registrations(const struct supervisor *supervisor, int signal)
{
    signal_children(child_of(supervisor, ROLE_REGISTRATION), BALANCERS_MAX, signal);
}

/* The search has ended. */
static void note_search(struct supervisor *supervisor, int status)
{
    if (!WIFEXITED(status))
        return; /* it starts again */
    supervisor->config->engine.undecided = false;
    if (WEXITSTATUS(status) != WORKER_ENGINE_BETTER)
        return;
    pe_log(PE_LOG_INFO, "the engine changes after the running jobs");
    supervisor->switching = true;
    supervisor->switch_deadline_us = pe_now_us() + DRAIN_MS * 1000ull;
    signal_slots(supervisor, SIGTERM);
}

/* Kill a child that has nothing to finish. It need not be able to react, and its own children end with it. */
static void end_child(struct child *child)
{
    if (child->pid && kill(child->pid, SIGKILL) == 0)
        waitpid(child->pid, NULL, 0);
    child->pid = 0;
    child->start_after_us = 0;
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
            end_child(child_of(supervisor, ROLE_REGISTRATION) + i);
    end_child(child_of(supervisor, ROLE_STATUS));
    signal_slots(supervisor, SIGTERM);
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
        supervisor->config->owner.sign = (enum owner_sign)(WEXITSTATUS(status) - OWNER_WATCH_CHANGED);
}

static void note_death(struct supervisor *supervisor, struct child *child, int status)
{
    /* The supervisor itself kills a search that it has no use for. */
    const bool is_search = child->role == ROLE_ENGINE_SEARCH || child->role == ROLE_DISCOVERY;
    const pid_t pid = child->pid;
    child->pid = 0;
    child->start_after_us = pe_now_us() + RESTART_MS * 1000;
    board_set(supervisor->config->board, child->number, BOARD_ENDED);
    if (child->role == ROLE_ENGINE_SEARCH)
        note_search(supervisor, status);
    if (child->role == ROLE_OWNER_WATCH)
        note_owner(supervisor, status);
    if (child->role == ROLE_DISCOVERY)
        note_discovery(supervisor, status);
    if (WIFSIGNALED(status) && !(is_search && WTERMSIG(status) == SIGKILL))
        pe_log(PE_LOG_WARN, "a %s process (%d) died of signal %d (%s)", roles[child->role].name, (int)pid,
               WTERMSIG(status), strsignal(WTERMSIG(status)));
}

static void reap(struct supervisor *supervisor)
{
    int status = 0;
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG))
        for (size_t i = 0; i < supervisor->count; i++)
            if (supervisor->children[i].pid == pid)
                note_death(supervisor, &supervisor->children[i], status);
}

/* ---- changing the engine ---- */

/* The balancers learn the new engine and its isolation from new registrations, before there is a slot. */
static void register_again(struct supervisor *supervisor)
{
    for (size_t i = 0; i < BALANCERS_MAX; i++)
        end_child(child_of(supervisor, ROLE_REGISTRATION) + i);
    end_child(child_of(supervisor, ROLE_STATUS)); /* it tells the new one, too */
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
    if (slots_run(supervisor)) {
        if (pe_now_us() >= supervisor->switch_deadline_us)
            signal_slots(supervisor, SIGKILL);
    } else {
        end_child(child_of(supervisor, ROLE_TEMPLATE_SERVER));
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
    supervisor->pause_deadline_us = pe_now_us() + config->owner.pause_grace_s * 1000000ull;
    signal_slots(supervisor, SIGTERM);
    signal_registrations(supervisor, SIGTERM);
    signal_child(supervisor, ROLE_ENGINE_SEARCH, SIGKILL);
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
    if (slots_run(supervisor)) {
        if (pe_now_us() < supervisor->pause_deadline_us)
            return;
        pe_log(PE_LOG_INFO, "the jobs that still run are given back to the balancer");
        supervisor->pause_deadline_us = UINT64_MAX;
        signal_slots(supervisor, SIGKILL);
    } else {
        end_child(child_of(supervisor, ROLE_TEMPLATE_SERVER));
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

/* Wait until the slots, which were asked to stop, have ended, but not too long, and not after a second
 * signal, which asks to stop at once. */
static void await_slots(struct supervisor *supervisor, uint64_t deadline_us)
{
    while (slots_run(supervisor)) {
        int signal = next_signal(supervisor, RESTART_MS);
        reap(supervisor);
        if (signal == SIGTERM || signal == SIGINT || pe_now_us() >= deadline_us)
            return;
        start_due(supervisor);
    }
}

/* The slots end first: until then their jobs may need the template server. The registrations stay until all
 * other children have ended: they tell the balancers that the worker drains. The searches for an engine and
 * for balancers are not waited for. */
static void drain(struct supervisor *supervisor)
{
    uint64_t deadline_us = pe_now_us() + DRAIN_MS * 1000ull;
    supervisor->draining = true;
    board_set(supervisor->config->board, supervisor->config->slot, BOARD_DRAINING);
    signal_child(supervisor, ROLE_ENGINE_SEARCH, SIGKILL);
    signal_child(supervisor, ROLE_DISCOVERY, SIGKILL);
    signal_slots(supervisor, SIGTERM);
    signal_registrations(supervisor, SIGTERM);
    await_slots(supervisor, deadline_us);
    signal_children(supervisor->children, supervisor->count, SIGKILL);
    while (wait(NULL) > 0 || errno == EINTR)
        ;
    vm_sweep(&supervisor->config->vm); /* of children that were killed */
}

static enum role role_of(size_t slots, size_t number)
{
    if (number < slots)
        return ROLE_SLOT;
    const size_t role = number - slots + ROLE_TEMPLATE_SERVER;
    return role < ROLE_REGISTRATION ? (enum role)role : ROLE_REGISTRATION;
}

static int make_children(struct supervisor *supervisor, struct pe_error *err)
{
    supervisor->count = supervisor->slots + ROLE_REGISTRATION - ROLE_TEMPLATE_SERVER + BALANCERS_MAX;
    supervisor->children = calloc(supervisor->count, sizeof *supervisor->children);
    if (!supervisor->children)
        return pe_fail_errno(err, "out of memory for %zu slots", supervisor->slots);
    for (size_t i = 0; i < supervisor->count; i++)
        supervisor->children[i] =
            (struct child){.role = role_of(supervisor->slots, i), .number = (uint32_t)i};
    for (uint32_t i = 0; i < BALANCERS_MAX; i++)
        child_of(supervisor, ROLE_REGISTRATION)[i].balancer = i;
    return 0;
}

static int supervisor_init(struct supervisor *supervisor, struct worker_config *config, struct pe_error *err)
{
    *supervisor = (struct supervisor){.config = config, .slots = config->slots + config->ahead};
    if (make_children(supervisor, err) < 0)
        return -1;
    config->slot = (uint32_t)supervisor->count;
    config->board = board_make(supervisor->slots, supervisor->count, BALANCERS_MAX, err);
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
    if (supervisor->config->paused && slots_run(supervisor))
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
