/* SPDX-License-Identifier: Apache-2.0 */
/* A router VM, for hosts whose kernel has no netem: it stands in the cable of a port, bridges its two network
 * devices, and delays or loses packets in both directions. It runs Debian's kernel, which has netem. */
#ifndef PE_VM_ROUTER_H
#define PE_VM_ROUTER_H

#include "base/error.h"
#include "vm/agent_link.h"
#include "vm/engine.h"
#include "vm/network.h"

struct router {
    struct vm_engine engine;
    struct vm vm;
    struct agent_link agent;
    struct console console;
    int near, far; /* its TAP devices, owned */
};

/* Make it empty. */
void router_prepare(struct router *router);

/* Boot a router, and put it into the cable of the port once it is ready, so that the port is cut off only for
 * a moment. Takes as long as a VM needs to boot, at most five minutes. `vm` is whose port it is. Errors are
 * those of vm_engine_open, network_make_tap, vm_boot, agent_link_run and network_attach; call router_end then
 * as well. */
int router_begin(struct router *router, const struct place *place, const struct vmname *vm,
                 const struct network_port *port, uint64_t delay_ms, uint64_t loss,
                 struct pe_error *err) PE_MUST_CHECK;

/* Read what the router wrote to its console. Call it now and then. */
void router_read_console(struct router *router);

/* Put the cable back and end the router. Harmless on an empty one. */
void router_end(struct router *router, const struct network_port *port);

#endif
