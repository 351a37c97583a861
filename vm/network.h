/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of VMs. A network is a network namespace of the host with a bridge in it, so it reaches neither
 * the host's network nor another one. The port of a VM consists of these devices:
 *
 *   VMM ── tap ── bridge of its own ── inner ══ outer ── bridge of the network
 *
 * inner and outer are the ends of a veth pair: the cable, which a fault takes down or slows down. A router VM
 * can stand in its place.
 *
 * ip(8) and tc(8) make the devices, so the functions fail as run_program (vm/run_program.h) does. */
#ifndef PE_VM_NETWORK_H
#define PE_VM_NETWORK_H

#include "base/error.h"
#include "vm/config.h"
#include "vm/name.h"
#include "vm/place.h"
#include "worker/vmm/vmm.h"

#include <stdbool.h>
#include <stdint.h>

#define NETWORK_NAMESPACE_MAX 48
#define NETWORK_DEVICE_MAX 16
#define NETWORK_BRIDGE "bridge"

struct network {
    char name[VMCONFIG_NET_NAME_MAX + 1];
    char space[NETWORK_NAMESPACE_MAX]; /* name of its namespace, for `ip netns exec` */
};

struct network_port {
    struct network network;
    char id[24]; /* name of the device in the VM: "net-0" */
    char bridge[NETWORK_DEVICE_MAX], tap[NETWORK_DEVICE_MAX], inner[NETWORK_DEVICE_MAX],
        outer[NETWORK_DEVICE_MAX];
    struct vm_nic nic; /* its `tap` is owned */
};

/* Write the names of the network `name` to `network`. Nothing is made. */
void network_name(const struct place *place, const char *name, struct network *network);

/* Make the network unless it exists. The VM that will use it must have noted it (owner_note_networks), or
 * network_sweep may remove it again. PE_ERR_INVALID if this user is not root, and the errors of place_lock.
 * After a failure there is no network. */
int network_open(const struct place *place, const struct network *network,
                 struct pe_error *err) PE_MUST_CHECK;

/* Remove the networks of the place that no VM which runs has noted. Call it with the lock of the place. */
void network_sweep(const struct place *place);

/* Make the port of a VM. The devices exist until network_port_close, or until their namespace is removed.
 * After a failure there are none, and port->nic.tap is -1. */
int network_port_open(const struct network *network, const struct vmname *vm, const char *id,
                      struct network_port *port, struct pe_error *err) PE_MUST_CHECK;

/* Remove the devices and close the TAP device. */
void network_port_close(struct network_port *port);

/* Make a TAP device in the namespace, and attach it to a bridge there unless that is NULL. Returns a
 * descriptor, which the caller closes, and the device ends with it. PE_ERR_INTERNAL also if the namespace
 * cannot be entered. */
int network_make_tap(const struct network *network, const char *name, const char *bridge,
                     struct pe_error *err) PE_MUST_CHECK;

/* Attach a device to a bridge. */
int network_attach(const struct network *network, const char *device, const char *bridge,
                   struct pe_error *err) PE_MUST_CHECK;

/* Take the cable of a port out, or put it back. */
int network_set_link(const struct network_port *port, bool up, struct pe_error *err) PE_MUST_CHECK;

/* Bound the bandwidth of both directions (tc-tbf(8)), in kbit/s. After a failure, one direction may be
 * bounded; network_calm undoes that. The same holds for network_disturb. */
int network_limit(const struct network_port *port, uint64_t kbit, struct pe_error *err) PE_MUST_CHECK;

/* Delay packets and lose a share of them, in both directions (tc-netem(8)). `loss` is a percentage. */
int network_disturb(const struct network_port *port, uint64_t delay_ms, uint64_t loss,
                    struct pe_error *err) PE_MUST_CHECK;

/* Undo network_limit and network_disturb. */
void network_calm(const struct network_port *port);

/* Whether the kernel of this host has netem. */
bool network_has_netem(const struct network_port *port);

#endif
