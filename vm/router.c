/* SPDX-License-Identifier: Apache-2.0 */
/* Booting a router VM and putting it into a cable. */
#include "vm/router.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* On a busy host, an emulated VM needs a minute. */
#define READY_MS 300000u
#define MEMORY_MIB 192

void router_prepare(struct router *router)
{
    memset(router, 0, sizeof *router);
    router->vm = VM_NONE;
    router->near = router->far = -1;
    router->console.port = router->console.file = -1;
}

static void name_tap(const struct network_port *port, char end, char name[NETWORK_DEVICE_MAX])
{
    snprintf(name, NETWORK_DEVICE_MAX, "%c%s", end, port->tap + 1);
}

/* Until the router is ready, its devices are attached to nothing. */
static int make_taps(struct router *router, const struct network_port *port, struct pe_error *err)
{
    char name[NETWORK_DEVICE_MAX];
    name_tap(port, 'n', name);
    router->near = network_make_tap(&port->network, name, NULL, err);
    name_tap(port, 'f', name);
    router->far = router->near < 0 ? -1 : network_make_tap(&port->network, name, NULL, err);
    if (router->far < 0)
        return -1;
    struct vm_extras *extras = &router->engine.extras;
    extras->nic_count = 2;
    extras->nics[0] = (struct vm_nic){.tap = router->near, .mac = {0x52, 0x54, 0x01, 0, 0, 1}};
    extras->nics[1] = (struct vm_nic){.tap = router->far, .mac = {0x52, 0x54, 0x01, 0, 0, 2}};
    return 0;
}

static int boot(struct router *router, const struct place *place, const struct vmname *vm,
                const struct network_port *port, struct pe_error *err)
{
    static const struct vmconfig config = {
        .engine = "qemu", .memory_mib = MEMORY_MIB, .memory_max_mib = MEMORY_MIB, .cpus = 1, .cpus_max = 1};
    char path[PLACE_FILE_MAX];
    place_file(place, vm, "vmm", path);
    if (vm_engine_open(&router->engine, &config, path, err) < 0 || make_taps(router, port, err) < 0 ||
        vm_boot(&router->engine.host, &router->engine.spec, &router->vm, err) < 0)
        return -1;
    router->agent = (struct agent_link){.fd = router->vm.agent_fd, .console = &router->console};
    place_file(place, vm, "router-console", path);
    return console_open(&router->console, router->vm.serial_fd, path, err);
}

static int set_up(struct router *router, uint64_t delay_ms, uint64_t loss, struct pe_error *err)
{
    char script[512]; /* busybox's shell prefers its own tc, which has no netem, unless a path is given */
    snprintf(script, sizeof script,
             "set -e; /sbin/ip link add bridge type bridge; for device in eth0 eth1; do "
             "/sbin/tc qdisc add dev $device root netem delay %llums loss %llu%% limit 10000; "
             "/sbin/ip link set $device master bridge; /sbin/ip link set $device up; done; "
             "/sbin/ip link set bridge up",
             (unsigned long long)delay_ms, (unsigned long long)loss);
    const char *const words[] = {"sh", "-c", script, NULL};
    return agent_link_run(&router->agent, words, pe_now_us() + READY_MS * 1000ull, err);
}

static int swap(const struct network_port *port, struct pe_error *err)
{
    char near[NETWORK_DEVICE_MAX], far[NETWORK_DEVICE_MAX];
    name_tap(port, 'n', near);
    name_tap(port, 'f', far);
    if (network_set_link(port, false, err) < 0 || network_attach(&port->network, near, port->bridge, err) < 0)
        return -1;
    return network_attach(&port->network, far, NETWORK_BRIDGE, err);
}

int router_begin(struct router *router, const struct place *place, const struct vmname *vm,
                 const struct network_port *port, uint64_t delay_ms, uint64_t loss, struct pe_error *err)
{
    char words[VM_LAST_WORDS_MAX] = "";
    if (boot(router, place, vm, port, err) == 0 && set_up(router, delay_ms, loss, err) == 0 &&
        swap(port, err) == 0)
        return 0;
    vm_last_words(&router->vm, words);
    if (words[0])
        pe_fail_context(err, "%s", words);
    return pe_fail_context(err, "cannot make a router VM, which this host needs because it has no netem");
}

void router_read_console(struct router *router)
{
    char bytes[4096];
    while (router->console.port >= 0 && console_read(&router->console, bytes, sizeof bytes) > 0)
        ;
}

/* Without the descriptors of its TAP devices, the devices are gone. */
void router_end(struct router *router, const struct network_port *port)
{
    struct pe_error ignored;
    const bool stood = router->near >= 0;
    agent_link_free(&router->agent);
    console_close(&router->console);
    vm_kill(&router->vm);
    if (router->near >= 0)
        close(pe_steal_fd(&router->near));
    if (router->far >= 0)
        close(pe_steal_fd(&router->far));
    vm_engine_close(&router->engine);
    if (stood)
        (void)!network_set_link(port, true, &ignored);
}
