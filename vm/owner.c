/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an owner. */
#include "vm/owner.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "proto/job_spec.h"
#include "vm/talk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the event loop ---- */

static void read_signals(struct owner *owner)
{
    struct signalfd_siginfo info;
    int status = 0;
    while (read(owner->signals, &info, sizeof info) == (ssize_t)sizeof info)
        owner->ending |= info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT;
    for (size_t i = 0; i < OWNER_FAULTS_MAX; i++)
        if (owner->faults[i] > 0 && waitpid(owner->faults[i], &status, WNOHANG) > 0)
            owner_end_fault(owner, owner->faults[i], status);
}

static void find_reason(struct owner *owner)
{
    char words[VM_LAST_WORDS_MAX];
    vm_last_words(&owner->vm, words);
    if (!owner->why[0])
        snprintf(owner->why, sizeof owner->why, "%s", words[0] ? words : "the VM has ended by itself");
    owner->ending = true;
}

static void start_again(struct owner *owner)
{
    struct pe_error err;
    owner->restart_us = 0;
    if (owner_boot_vm(owner, &err) == 0)
        return;
    pe_log(PE_LOG_ERROR, "cannot start the VM again: %s", err.message);
    snprintf(owner->why, sizeof owner->why, "%s", err.message);
    owner->ending = true;
}

/* A console that is a file is looked at five times a second. */
static int longest_wait_ms(const struct owner *owner)
{
    if (owner->console.is_file && owner->console.port >= 0)
        return 200;
    if (!owner->restart_us)
        return -1;
    const uint64_t now = pe_now_us();
    return now >= owner->restart_us ? 0 : (int)((owner->restart_us - now) / 1000) + 1;
}

enum { WAIT_LISTENER, WAIT_SIGNALS, WAIT_VMM, WAIT_CONSOLE, WAIT_AGENT, WAIT_CLIENTS };

static void serve_client(struct owner *owner, struct owner_client *client)
{
    if (client->role == OWNER_ASKS)
        owner_serve(owner, client);
    else
        owner_read_client(owner, client);
}

/* Output of a command waits for its client (owner_pass_frames). */
static short events_of(const struct owner_client *client, bool waits)
{
    return waits && client->role == OWNER_EXECS ? POLLIN | POLLOUT : POLLIN;
}

/* Without an event to wait for, poll(2) still tells of a closed line. */
static struct pollfd poll_agent(const struct owner *owner, bool reads)
{
    const short events = agent_link_events(&owner->agent, reads);
    return (struct pollfd){.fd = events ? owner->agent.fd : -1, .events = events};
}

static void handle(struct owner *owner, const struct pollfd *wait)
{
    if (wait[WAIT_SIGNALS].revents)
        read_signals(owner);
    if (wait[WAIT_CONSOLE].revents || (owner->console.is_file && owner->console.port >= 0))
        owner_read_console(owner);
    if (wait[WAIT_AGENT].revents)
        owner_use_agent(owner, wait[WAIT_AGENT].revents);
    for (size_t i = 0; i < OWNER_CLIENTS_MAX; i++)
        if ((wait[WAIT_CLIENTS + i].revents & ~POLLOUT) && owner->clients[i].fd == wait[WAIT_CLIENTS + i].fd)
            serve_client(owner, &owner->clients[i]);
    if (wait[WAIT_LISTENER].revents)
        owner_accept(owner);
    if (wait[WAIT_VMM].revents && owner->vm.pidfd == wait[WAIT_VMM].fd)
        find_reason(owner);
    if (owner->restart_us && pe_now_us() >= owner->restart_us)
        start_again(owner);
}

static void serve(struct owner *owner)
{
    struct pollfd wait[WAIT_CLIENTS + OWNER_CLIENTS_MAX];
    while (!owner->ending) {
        const bool waits = owner_pass_frames(owner);
        wait[WAIT_LISTENER] = (struct pollfd){.fd = owner->listener, .events = POLLIN};
        wait[WAIT_SIGNALS] = (struct pollfd){.fd = owner->signals, .events = POLLIN};
        wait[WAIT_VMM] = (struct pollfd){.fd = owner->vm.pidfd, .events = POLLIN};
        wait[WAIT_CONSOLE] =
            (struct pollfd){.fd = owner->console.is_file ? -1 : owner->console.port, .events = POLLIN};
        wait[WAIT_AGENT] = poll_agent(owner, !waits);
        for (size_t i = 0; i < OWNER_CLIENTS_MAX; i++)
            wait[WAIT_CLIENTS + i] =
                (struct pollfd){.fd = owner->clients[i].fd, .events = events_of(&owner->clients[i], waits)};
        if (poll(wait, WAIT_CLIENTS + OWNER_CLIENTS_MAX, longest_wait_ms(owner)) < 0 && errno != EINTR)
            return;
        handle(owner, wait);
    }
}

/* ---- beginning and end ---- */

static int open_signals(struct pe_error *err)
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &wanted, NULL) < 0)
        return pe_fail_errno(err, "cannot block signals");
    const int fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd >= 0 ? fd : pe_fail_errno(err, "cannot open a descriptor for signals");
}

static int begin(struct owner *owner, const char *snapshot, struct pe_error *err)
{
    char path[PLACE_FILE_MAX];
    /* Without the lock, nothing here belongs to this process, also not the log. */
    if ((owner->lock = place_own(&owner->place, &owner->name, err)) < 0)
        return -1;
    (void)!ftruncate(STDERR_FILENO, 0);
    place_file(&owner->place, &owner->name, "vmm", path);
    if ((owner->signals = open_signals(err)) < 0 ||
        vm_engine_open(&owner->engine, &owner->config, path, err) < 0 || owner_open_ports(owner, err) < 0)
        return -1;
    if ((snapshot ? owner_restore_vm(owner, snapshot, err) : owner_boot_vm(owner, err)) < 0)
        return -1;
    owner->listener = talk_listen(&owner->place, &owner->name, err);
    return owner->listener < 0 ? -1 : 0;
}

static void finish(struct owner *owner)
{
    struct pe_error ignored;
    owner_stop_faults(owner);
    owner_end_vm(owner);
    for (size_t i = 0; i < OWNER_CLIENTS_MAX; i++)
        owner_drop(&owner->clients[i]);
    for (size_t i = 0; i < OWNER_PORTS_MAX; i++)
        if (owner->ports[i].id[0])
            network_port_close(&owner->ports[i]);
    vm_engine_close(&owner->engine);
    if (owner->lock < 0)
        return;
    pe_autoclose int lock = place_lock(&owner->place, &ignored);
    place_note_end(&owner->place, &owner->name, owner->why);
    close(owner->lock);
    network_sweep(&owner->place);
}

/* Leave the terminal and everything else of the command behind. `report` stays. Its error messages and its
 * log go to the VM's file. */
static void leave(const struct owner *owner, int report)
{
    char path[PLACE_FILE_MAX];
    place_file(&owner->place, &owner->name, "log", path);
    const int null = open("/dev/null", O_RDWR);
    const int log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    setsid();
    (void)!chdir("/");
    dup2(null, 0);
    dup2(log >= 0 ? log : null, 1);
    dup2(log >= 0 ? log : null, 2);
    if (report > 3)
        close_range(3, (unsigned)report - 1, 0);
    close_range((unsigned)report + 1, ~0u, 0);
    pe_log_init("pe-vm");
}

static void become_owner(struct owner *owner, const char *snapshot, int report) __attribute__((noreturn));
static void become_owner(struct owner *owner, const char *snapshot, int report)
{
    struct pe_error err = {0}, ignored;
    leave(owner, report);
    const int failed = begin(owner, snapshot, &err);
    if (failed)
        snprintf(owner->why, sizeof owner->why, "%s", err.message);
    if (!failed) {
        (void)!talk_send(report, json_object(), &ignored);
        close(report);
        serve(owner);
        pe_log(PE_LOG_INFO, "the VM ends: %s", owner->why[0] ? owner->why : "as asked");
    }
    finish(owner);
    if (failed)
        (void)!talk_send_error(report, &err, &ignored);
    _exit(failed ? 1 : 0);
}

static void prepare(struct owner *owner, const struct place *place, const struct vmname *name)
{
    memset(owner, 0, sizeof *owner);
    owner->place = *place;
    owner->name = *name;
    owner->vm = VM_NONE;
    owner->agent.fd = -1;
    owner->console.port = owner->console.file = -1;
    owner->lock = owner->listener = owner->signals = -1;
    for (size_t i = 0; i < OWNER_CLIENTS_MAX; i++)
        owner->clients[i].fd = -1;
}

int owner_start(const struct place *place, const struct vmname *name, const char *snapshot,
                struct pe_error *err)
{
    static struct owner owner;
    pe_autoclose int report = -1;
    pe_autojson json_t *answer = NULL;
    prepare(&owner, place, name);
    if (place_read(place, name, &owner.config, err) < 0)
        return -1;
    const pid_t pid = pe_child_fork("the owner of the VM", &report, err);
    if (pid < 0)
        return -1;
    if (pid == 0)
        become_owner(&owner, snapshot, report);
    return talk_receive(report, &answer, err);
}
