/* SPDX-License-Identifier: Apache-2.0 */
/* The VM of an owner: its network devices, its start and its end. */
#include "base/cleanup.h"
#include "base/io.h"
#include "vm/owner.h"
#include "vm/snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Write down which networks the VM is in, so that they stay (network_sweep). A reader has the same lock. */
static int note_networks(const struct owner *owner, struct pe_error *err)
{
    char path[PLACE_FILE_MAX];
    pe_autobuf struct pe_buf text = {0};
    for (size_t i = 0; i < OWNER_PORTS_MAX; i++)
        if (owner->ports[i].id[0] && pe_buf_printf(&text, err, "%s\n", owner->ports[i].network.space) < 0)
            return -1;
    place_file(&owner->place, &owner->name, "networks", path);
    pe_autoclose int lock = place_lock(&owner->place, err);
    if (lock < 0)
        return -1;
    pe_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return pe_fail_errno(err, "cannot write %s", path);
    return text.size ? pe_write_all(fd, text.data, text.size, path, err) : 0;
}

static struct network_port *find_free_port(struct owner *owner)
{
    for (size_t i = 0; i < OWNER_PORTS_MAX; i++)
        if (!owner->ports[i].id[0])
            return &owner->ports[i];
    return NULL;
}

/* The network is noted before it is there, or another command could remove it again at once. */
static int make_port(struct owner *owner, const char *name, struct network_port *port, struct pe_error *err)
{
    struct network network = {0};
    char id[sizeof port->id];
    network_name(&owner->place, name, &network);
    snprintf(id, sizeof id, "net-%u", owner->ports_made);
    *port = (struct network_port){.network = network, .nic.tap = -1};
    memcpy(port->id, id, sizeof id);
    if (note_networks(owner, err) < 0 || network_open(&owner->place, &network, err) < 0 ||
        network_port_open(&network, &owner->name, id, port, err) < 0)
        return -1;
    owner->ports_made++;
    return 0;
}

static void forget_port(struct owner *owner, struct network_port *port)
{
    struct pe_error ignored;
    *port = (struct network_port){.nic.tap = -1};
    (void)!note_networks(owner, &ignored);
}

struct network_port *owner_open_port(struct owner *owner, const char *name, struct pe_error *err)
{
    struct network_port *port = find_free_port(owner);
    if (!port)
        pe_fail(err, PE_ERR_INVALID, "a VM has at most %d network devices", OWNER_PORTS_MAX);
    if (!port || make_port(owner, name, port, err) == 0)
        return port;
    forget_port(owner, port);
    return NULL;
}

void owner_close_port(struct owner *owner, struct network_port *port)
{
    network_port_close(port);
    forget_port(owner, port);
}

int owner_open_ports(struct owner *owner, struct pe_error *err)
{
    for (uint32_t i = 0; i < owner->config.net_count; i++) {
        const struct network_port *port = owner_open_port(owner, owner->config.nets[i], err);
        if (!port)
            return -1;
        owner->engine.extras.nics[i] = port->nic;
    }
    owner->engine.extras.nic_count = owner->config.net_count;
    return 0;
}

/* A VM that starts again has the devices of its settings only. */
static void close_added_ports(struct owner *owner)
{
    for (size_t i = owner->config.net_count; i < OWNER_PORTS_MAX; i++)
        if (owner->ports[i].id[0])
            owner_close_port(owner, &owner->ports[i]);
}

static int use_vm(struct owner *owner, struct pe_error *err)
{
    struct pe_error ignored;
    char path[PLACE_FILE_MAX];
    owner->control = (struct vm_control){.host = &owner->engine.host, .vm = &owner->vm};
    owner->agent = (struct agent_link){.fd = owner->vm.agent_fd};
    place_file(&owner->place, &owner->name, "console", path);
    if (console_open(&owner->console, owner->vm.serial_fd, path, err) < 0)
        return -1;
    /* The agent of a restored VM has said HELLO long ago. */
    (void)!agent_link_send(&owner->agent, AGENT_PING, NULL, 0, &ignored);
    return 0;
}

int owner_boot_vm(struct owner *owner, struct pe_error *err)
{
    if (vm_boot(&owner->engine.host, &owner->engine.spec, &owner->vm, err) < 0)
        return -1;
    return use_vm(owner, err);
}

int owner_restore_vm(struct owner *owner, const char *snapshot, struct pe_error *err)
{
    pe_autoclose int memory = snapshot_open_file(snapshot, SNAPSHOT_MEMORY, err);
    pe_autoclose int state = memory < 0 ? -1 : snapshot_open_file(snapshot, SNAPSHOT_STATE, err);
    if (state < 0 || vm_restore(&owner->engine.host, &owner->engine.spec, memory, state, &owner->vm, err) < 0)
        return -1;
    return use_vm(owner, err);
}

/* The log of the VMM is lost with its VM. */
static void keep_log(const struct owner *owner)
{
    char bytes[4096];
    ssize_t n;
    for (off_t at = 0; owner->vm.log_fd >= 0 && (n = pread(owner->vm.log_fd, bytes, sizeof bytes, at)) > 0;
         at += n)
        if (!bytes[0] || write(STDERR_FILENO, bytes, strnlen(bytes, (size_t)n)) < 0)
            return;
}

void owner_end_vm(struct owner *owner)
{
    while (owner->console.port >= 0 && owner_read_console(owner))
        ;
    keep_log(owner);
    agent_link_free(&owner->agent);
    owner->agent = (struct agent_link){.fd = -1};
    vm_control_free(&owner->control);
    console_close(&owner->console);
    vm_kill(&owner->vm);
    owner->draining = false;
}

void owner_kill_vm(struct owner *owner, uint64_t restart_us)
{
    owner_end_vm(owner);
    owner_drop_command(owner);
    close_added_ports(owner);
    owner->restart_us = restart_us;
}
