/* SPDX-License-Identifier: Apache-2.0 */
/* What commands ask the owner of a VM for. */
#include "base/cleanup.h"
#include "codec/json_list.h"
#include "proto/job_spec.h"
#include "vm/owner.h"
#include "vm/snapshot.h"
#include "vm/talk.h"
#include "worker/vmm/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef int handler(struct owner *owner, struct owner_client *client, const json_t *request, json_t **answer,
                    struct pe_error *err);

static const char *text_of(const json_t *request, const char *key)
{
    const char *text = json_string_value(json_object_get(request, key));
    return text ? text : "";
}

static uint32_t number_of(const json_t *request, const char *key)
{
    const json_int_t number = json_integer_value(json_object_get(request, key));
    return number < 0 || number > UINT32_MAX ? 0 : (uint32_t)number;
}

/* ---- what changes nothing ---- */

static json_t *list_ports(const struct owner *owner)
{
    json_t *list = json_array();
    for (size_t i = 0; i < OWNER_PORTS_MAX; i++) {
        const struct network_port *port = &owner->ports[i];
        const uint8_t *mac = port->nic.mac;
        if (!port->id[0])
            continue;
        pe_json_list_add(&list,
                         json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", port->id, "network", port->network.name,
                                   "namespace", port->network.space, "tap", port->tap, "mac",
                                   json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                                                mac[3], mac[4], mac[5])));
    }
    return list;
}

static int serve_info(struct owner *owner, struct owner_client *client, const json_t *request,
                      json_t **answer, struct pe_error *err)
{
    (void)client, (void)request;
    char version[128];
    if (vm_host_version(&owner->engine.host, version, sizeof version, err) < 0)
        return -1;
    *answer =
        json_pack("{s:i, s:i, s:s, s:s, s:b, s:b, s:b, s:i, s:i, s:o}", "owner_pid", (int)getpid(), "vmm_pid",
                  (int)owner->vm.pid, "vmm", owner->engine.host.driver->title, "vmm_version", version,
                  "agent", owner->agent.present, "paused", owner->control.paused, "killed_by_fault",
                  owner->restart_us != 0, "memory_mib", (int)owner->engine.spec.memory_mib, "cpus",
                  (int)owner->engine.spec.cpus, "ports", list_ports(owner));
    return 0;
}

/* ---- what changes the VM ---- */

static int serve_pause(struct owner *owner, struct owner_client *client, const json_t *request,
                       json_t **answer, struct pe_error *err)
{
    (void)client, (void)request, (void)answer;
    return vm_control_pause(&owner->control, err);
}

static int serve_resume(struct owner *owner, struct owner_client *client, const json_t *request,
                        json_t **answer, struct pe_error *err)
{
    (void)client, (void)request, (void)answer;
    return vm_control_resume(&owner->control, err);
}

static int serve_resize(struct owner *owner, struct owner_client *client, const json_t *request,
                        json_t **answer, struct pe_error *err)
{
    (void)client, (void)answer;
    struct pe_error ignored;
    const uint32_t memory = number_of(request, "memory_mib"), cpus = number_of(request, "cpus");
    if (vm_control_resize(&owner->control, &owner->engine.spec, memory, cpus, err) < 0)
        return -1;
    if (memory)
        owner->engine.spec.memory_mib = memory;
    if (cpus)
        owner->engine.spec.cpus = cpus;
    if (owner->agent.present)
        (void)!agent_link_send(&owner->agent, AGENT_ONLINE, NULL, 0, &ignored);
    return 0;
}

static int serve_add_disk(struct owner *owner, struct owner_client *client, const json_t *request,
                          json_t **answer, struct pe_error *err)
{
    (void)client;
    char id[24];
    const bool readonly = json_is_true(json_object_get(request, "readonly"));
    pe_autoclose int fd = open(text_of(request, "path"), (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "cannot open the disk %s", text_of(request, "path"));
    snprintf(id, sizeof id, "disk-added-%u", owner->disks_made);
    const struct vm_disk disk = {.fd = fd, .writable = !readonly};
    if (vm_control_add_disk(&owner->control, id, &disk, err) < 0)
        return -1;
    owner->disks_made++;
    *answer = json_pack("{s:s}", "id", id);
    return 0;
}

static int serve_add_net(struct owner *owner, struct owner_client *client, const json_t *request,
                         json_t **answer, struct pe_error *err)
{
    (void)client;
    struct network_port *port = owner_open_port(owner, text_of(request, "network"), err);
    if (!port)
        return -1;
    if (vm_control_add_nic(&owner->control, port->id, &port->nic, err) < 0) {
        owner_close_port(owner, port);
        return -1;
    }
    *answer = json_pack("{s:s}", "id", port->id);
    return 0;
}

static int serve_remove(struct owner *owner, struct owner_client *client, const json_t *request,
                        json_t **answer, struct pe_error *err)
{
    (void)client, (void)answer;
    const char *id = text_of(request, "device");
    if (vm_control_remove(&owner->control, id, err) < 0)
        return -1;
    for (size_t i = 0; i < OWNER_PORTS_MAX; i++)
        if (id[0] && !strcmp(owner->ports[i].id, id))
            owner_close_port(owner, &owner->ports[i]);
    return 0;
}

static int serve_snapshot(struct owner *owner, struct owner_client *client, const json_t *request,
                          json_t **answer, struct pe_error *err)
{
    (void)client, (void)answer;
    return snapshot_write(text_of(request, "folder"), &owner->config, &owner->control, err);
}

/* ---- its end ---- */

static int serve_shutdown(struct owner *owner, struct owner_client *client, const json_t *request,
                          json_t **answer, struct pe_error *err)
{
    (void)client, (void)request, (void)answer;
    snprintf(owner->why, sizeof owner->why, "the guest was asked to shut down");
    if (owner->agent.present)
        return agent_link_send(&owner->agent, AGENT_POWER_OFF, NULL, 0, err);
    return vm_control_press_power(&owner->control, err);
}

static int serve_end(struct owner *owner, struct owner_client *client, const json_t *request, json_t **answer,
                     struct pe_error *err)
{
    (void)client, (void)request, (void)answer, (void)err;
    owner->ending = true;
    return 0;
}

/* ---- what goes on after the answer ---- */

static int serve_await(struct owner *owner, struct owner_client *client, const json_t *request,
                       json_t **answer, struct pe_error *err)
{
    (void)request, (void)answer, (void)err;
    if (!owner->agent.present)
        client->role = OWNER_AWAITS;
    return 0;
}

static int serve_execute(struct owner *owner, struct owner_client *client, const json_t *request,
                         json_t **answer, struct pe_error *err)
{
    (void)answer;
    return owner_execute(owner, client, request, err);
}

static int serve_follow(struct owner *owner, struct owner_client *client, const json_t *request,
                        json_t **answer, struct pe_error *err)
{
    (void)owner, (void)request, (void)answer, (void)err;
    client->role = OWNER_FOLLOWS;
    return 0;
}

static int serve_fault(struct owner *owner, struct owner_client *client, const json_t *request,
                       json_t **answer, struct pe_error *err)
{
    (void)answer;
    return owner_begin_fault(owner, client, request, err);
}

static const struct {
    const char *command;
    handler *handle;
    bool without_vm; /* also while a fault has killed the VM */
} handlers[] = {
    {"info", serve_info, true},      {"pause", serve_pause, false},       {"resume", serve_resume, false},
    {"resize", serve_resize, false}, {"add-disk", serve_add_disk, false}, {"add-net", serve_add_net, false},
    {"remove", serve_remove, false}, {"snapshot", serve_snapshot, false}, {"shutdown", serve_shutdown, false},
    {"end", serve_end, true},        {"await", serve_await, true},        {"execute", serve_execute, false},
    {"follow", serve_follow, false}, {"fault", serve_fault, true},
};

static int dispatch(struct owner *owner, struct owner_client *client, const json_t *request, json_t **answer,
                    struct pe_error *err)
{
    const char *command = text_of(request, "command");
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        if (strcmp(command, handlers[i].command) != 0)
            continue;
        if (owner->restart_us && !handlers[i].without_vm)
            return pe_fail(err, PE_ERR_BUSY, "a fault has killed the VM, and it is not started again yet");
        return handlers[i].handle(owner, client, request, answer, err);
    }
    return pe_fail(err, PE_ERR_INVALID, "the owner does not know the request '%.40s'", command);
}

/* A client that waits gets its answer later, and one of a fault from the process of the fault. */
void owner_serve(struct owner *owner, struct owner_client *client)
{
    struct pe_error err;
    pe_autojson json_t *request = NULL;
    json_t *answer = NULL;
    if (talk_receive(client->fd, &request, &err) < 0) {
        owner_drop(client);
        return;
    }
    if (dispatch(owner, client, request, &answer, &err) < 0) {
        (void)!talk_send_error(client->fd, &err, &err);
        owner_drop(client);
        return;
    }
    if (client->fd < 0 || client->role == OWNER_AWAITS)
        return;
    const int failed = talk_send(client->fd, answer ? answer : json_object(), &err);
    if (failed || client->role == OWNER_ASKS)
        owner_drop(client);
}
