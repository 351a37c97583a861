/* SPDX-License-Identifier: Apache-2.0 */
/* The owner of a VM: a process in the background that starts the VM, serves the commands that ask for it, and
 * ends with it. The VM dies with its owner. Its parts are
 *
 *   owner.c           its life: start, event loop, end
 *   owner_vm.c        the VM: its network devices, its start and its end
 *   owner_client.c    the connections of commands
 *   owner_requests.c  what commands ask for
 *   owner_streams.c   commands in the guest, and the console
 *   owner_faults.c    faults, each in a process of its own
 */
#ifndef PE_VM_OWNER_H
#define PE_VM_OWNER_H

#include "base/error.h"
#include "vm/agent_link.h"
#include "vm/console.h"
#include "vm/engine.h"
#include "vm/name.h"
#include "vm/network.h"
#include "vm/place.h"
#include "worker/vmm/control.h"

#include <jansson.h>
#include <stdbool.h>

#define OWNER_CLIENTS_MAX 16
#define OWNER_PORTS_MAX 8
#define OWNER_FAULTS_MAX 8

enum owner_role {
    OWNER_ASKS,    /* it has not sent its request */
    OWNER_AWAITS,  /* it waits for the agent */
    OWNER_EXECS,   /* it runs a command in the guest */
    OWNER_FOLLOWS, /* it follows the console */
};

struct owner_client {
    int fd; /* -1: free */
    enum owner_role role;
};

struct owner {
    struct place place;
    struct vmname name;
    struct vmconfig config;
    struct vm_engine engine;
    struct vm vm;
    struct vm_control control;
    struct agent_link agent;
    struct console console;
    struct network_port ports[OWNER_PORTS_MAX]; /* one without an id is free */
    struct owner_client clients[OWNER_CLIENTS_MAX];
    pid_t faults[OWNER_FAULTS_MAX]; /* 0: free */
    int lock, listener, signals;
    bool ending;                     /* it was asked to end */
    bool draining;                   /* the client of a command has gone, and the command has not ended */
    unsigned disks_made, ports_made; /* names of devices count on, so that none comes twice */
    uint64_t restart_us;             /* when a VM that a fault killed is started again; 0: it runs */
    char why[PE_ERROR_MESSAGE_MAX];  /* why it ended, or "" */
};

/* Start an owner for the VM in the background, and wait until it has started the VM: from its kernel, or from
 * the snapshot in the folder `snapshot` unless that is NULL. PE_ERR_INVALID if it runs already; else the
 * errors of vm_boot and vm_engine_open. */
int owner_start(const struct place *place, const struct vmname *name, const char *snapshot,
                struct pe_error *err) PE_MUST_CHECK;

/* ---- owner_vm.c ---- */

/* Make the network devices that the settings name. Fails as owner_open_port does; the ports that were made
 * are the owner's. */
int owner_open_ports(struct owner *owner, struct pe_error *err) PE_MUST_CHECK;

/* Make a network device in the network `name` for the VM, which does not have it yet. The owner keeps it.
 * NULL with the error set: PE_ERR_INVALID if the VM has too many, and the errors of network_open and
 * network_port_open. */
struct network_port *owner_open_port(struct owner *owner, const char *name, struct pe_error *err);

/* Remove it again. Its network goes when no other VM is in it. */
void owner_close_port(struct owner *owner, struct network_port *port);

/* Start the VM, or start it again after its end. Fails as vm_boot and console_open do; owner_end_vm has to
 * follow then. */
int owner_boot_vm(struct owner *owner, struct pe_error *err) PE_MUST_CHECK;

/* Start the VM from a snapshot in the folder `snapshot`. Fails as snapshot_open_file, vm_restore and
 * console_open do; owner_end_vm has to follow then. */
int owner_restore_vm(struct owner *owner, const char *snapshot, struct pe_error *err) PE_MUST_CHECK;

/* Kill the VM, and keep its console and the log of its VMM. Harmless if there is none. */
void owner_end_vm(struct owner *owner);

/* Kill the VM for a while. */
void owner_kill_vm(struct owner *owner, uint64_t restart_us);

/* ---- owner_client.c ---- */

/* Accept a connection, if it comes from the same user or root and there is room for it. */
void owner_accept(struct owner *owner);

/* Close a client. */
void owner_drop(struct owner_client *client);

/* ---- owner_requests.c ---- */

/* Read a request from a client and answer it. */
void owner_serve(struct owner *owner, struct owner_client *client);

/* ---- owner_streams.c ---- */

/* Run the command of a request. PE_ERR_INVALID or PE_ERR_MALFORMED if the request has no words for it,
 * PE_ERR_INVALID also if no agent has answered, PE_ERR_BUSY if another command runs, and the errors of
 * agent_link_execute. The caller answers the client. */
int owner_execute(struct owner *owner, struct owner_client *client, const json_t *request,
                  struct pe_error *err) PE_MUST_CHECK;

/* Read from a client that runs a command or follows the console. */
void owner_read_client(struct owner *owner, struct owner_client *client);

/* Send to the agent what waits for it and read what it says, as `events` of poll(2) allow. What it says is
 * passed on as owner_pass_frames does. */
void owner_use_agent(struct owner *owner, short events);

/* Pass on what the agent has said. Returns whether something is left, because the client that runs a command
 * does not read. The agent is not read meanwhile, so that the command waits. */
bool owner_pass_frames(struct owner *owner);

/* Drop the client that runs a command, whose VM has ended. */
void owner_drop_command(struct owner *owner);

/* Read the console and pass it on. Returns whether there was anything. */
bool owner_read_console(struct owner *owner);

/* ---- owner_faults.c ---- */

/* Begin the fault of a request. The answer goes to the client, which is closed; for a fault that kills the
 * VM, and after a failure, the caller answers. PE_ERR_BUSY if the last fault has not ended, PE_ERR_INVALID if
 * the VM does not have the network device, PE_ERR_INTERNAL if fork(2) fails. */
int owner_begin_fault(struct owner *owner, struct owner_client *client, const json_t *request,
                      struct pe_error *err) PE_MUST_CHECK;

/* A child has ended: forget it if it was a fault, and undo the fault if that was killed. */
void owner_end_fault(struct owner *owner, pid_t pid, int status);

/* End all faults. */
void owner_stop_faults(struct owner *owner);

#endif
