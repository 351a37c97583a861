/* SPDX-License-Identifier: Apache-2.0 */
/* Faults of a VM. Each has a process that begins it, answers the command, waits, and ends it, so that it ends
 * also if the command has gone. A VM that is killed is started again by the owner itself. */
#include "base/child.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "vm/owner.h"
#include "vm/router.h"
#include "vm/talk.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What was asked for. */
struct fault {
    struct network_port *port;
    bool link_down;
    uint64_t rate_kbit, delay_ms, loss, for_ms;
};

static uint64_t number_of(const json_t *request, const char *key)
{
    const json_int_t number = json_integer_value(json_object_get(request, key));
    return number > 0 ? (uint64_t)number : 0;
}

static struct network_port *find_port(struct owner *owner, const char *id, struct pe_error *err)
{
    for (size_t i = 0; i < OWNER_PORTS_MAX; i++)
        if (owner->ports[i].id[0] && owner->ports[i].nic.tap >= 0 && (!id || !strcmp(owner->ports[i].id, id)))
            return &owner->ports[i];
    pe_fail(err, PE_ERR_INVALID, "the VM has no network device%s%s whose link could fail", id ? " " : "",
            id ? id : "");
    return NULL;
}

/* ---- in the process of the fault ---- */

static void wait_until(uint64_t deadline_us, struct router *router)
{
    for (uint64_t now; (now = pe_now_us()) < deadline_us; router_read_console(router))
        usleep((useconds_t)(deadline_us - now > 500000 ? 500000 : deadline_us - now));
}

static void undo(const struct network_port *port)
{
    struct pe_error ignored;
    network_calm(port);
    (void)!network_set_link(port, true, &ignored);
}

static json_t *note_router(void)
{
    return json_pack(
        "{s:s}", "note",
        "the kernel of this host has no netem, so a router VM with Debian's kernel stands in the "
        "cable and delays or loses the packets");
}

static int disturb(const struct owner *owner, const struct fault *fault, struct router *router,
                   json_t **answer, struct pe_error *err)
{
    if (network_has_netem(fault->port))
        return network_disturb(fault->port, fault->delay_ms, fault->loss, err);
    *answer = note_router();
    return router_begin(router, &owner->place, &owner->name, fault->port, fault->delay_ms, fault->loss, err);
}

static int begin(const struct owner *owner, const struct fault *fault, struct router *router, json_t **answer,
                 struct pe_error *err)
{
    if (fault->link_down)
        return network_set_link(fault->port, false, err);
    if (fault->rate_kbit)
        return network_limit(fault->port, fault->rate_kbit, err);
    return disturb(owner, fault, router, answer, err);
}

static void run(const struct owner *owner, const struct fault *fault, int client) __attribute__((noreturn));
static void run(const struct owner *owner, const struct fault *fault, int client)
{
    static struct router router;
    struct pe_error err;
    json_t *answer = NULL;
    router_prepare(&router);
    const int failed = begin(owner, fault, &router, &answer, &err);
    const uint64_t end_us = pe_now_us() + fault->for_ms * 1000;
    if (failed) {
        json_decref(answer);
        (void)!talk_send_error(client, &err, &err);
    } else {
        (void)!talk_send(client, answer ? answer : json_object(), &err);
        close(client);
        wait_until(end_us, &router);
    }
    router_end(&router, fault->port);
    undo(fault->port);
    _exit(0);
}

/* ---- in the owner ---- */

static int start(struct owner *owner, const struct owner_client *client, const struct fault *fault,
                 struct pe_error *err)
{
    size_t free_place = 0;
    const pid_t parent = getpid();
    while (free_place < OWNER_FAULTS_MAX && owner->faults[free_place] > 0)
        free_place++;
    if (free_place > 0)
        return pe_fail(err, PE_ERR_BUSY, "another fault of the VM has not ended");
    const pid_t pid = fork();
    if (pid < 0)
        return pe_fail_errno(err, "cannot fork the process of a fault");
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (pe_child_die_with(parent) < 0)
            _exit(1);
        close(owner->lock);
        run(owner, fault, client->fd);
    }
    owner->faults[free_place] = pid;
    return 0;
}

static int kill_for_a_while(struct owner *owner, uint64_t for_ms)
{
    owner_kill_vm(owner, pe_now_us() + for_ms * 1000);
    return 0;
}

int owner_begin_fault(struct owner *owner, struct owner_client *client, const json_t *request,
                      struct pe_error *err)
{
    struct fault fault = {.link_down = json_is_true(json_object_get(request, "link_down")),
                          .rate_kbit = number_of(request, "rate_kbit"),
                          .delay_ms = number_of(request, "delay_ms"),
                          .loss = number_of(request, "loss"),
                          .for_ms = number_of(request, "for_ms")};
    if (owner->restart_us)
        return pe_fail(err, PE_ERR_BUSY, "a fault has killed the VM, and it is not started again yet");
    if (json_is_true(json_object_get(request, "kill")))
        return kill_for_a_while(owner, fault.for_ms);
    fault.port = find_port(owner, json_string_value(json_object_get(request, "device")), err);
    if (!fault.port || start(owner, client, &fault, err) < 0)
        return -1;
    owner_drop(client);
    return 0;
}

void owner_end_fault(struct owner *owner, pid_t pid, int status)
{
    for (size_t i = 0; i < OWNER_FAULTS_MAX; i++)
        if (owner->faults[i] == pid)
            owner->faults[i] = 0;
    for (size_t i = 0; (!WIFEXITED(status) || WEXITSTATUS(status) != 0) && i < OWNER_PORTS_MAX; i++)
        if (owner->ports[i].id[0])
            undo(&owner->ports[i]);
}

void owner_stop_faults(struct owner *owner)
{
    for (size_t i = 0; i < OWNER_FAULTS_MAX; i++)
        if (owner->faults[i] > 0) {
            pe_child_kill(owner->faults[i]);
            owner->faults[i] = 0;
        }
}
