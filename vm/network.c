/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces, bridges, TAP devices and queues, made with ip(8) and tc(8). Names of devices only have to be
 * unique in their namespace. */
#include "vm/network.h"

#include "base/cleanup.h"
#include "vm/run_program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SPACES "/run/netns"

static uint32_t hash(const char *text, uint32_t seed)
{
    uint32_t value = 2166136261u ^ seed; /* FNV-1a */
    for (; *text; text++)
        value = (value ^ (uint8_t)*text) * 16777619u;
    return value;
}

/* Two places can have networks of the same name. */
static void name_space(const struct place *place, const char *name, char space[NETWORK_NAMESPACE_MAX])
{
    snprintf(space, NETWORK_NAMESPACE_MAX, "pe-vm-%08x-%s", hash(place->path, 0), name);
}

/* Run `ip -n SPACE ...` or `tc -n SPACE ...`. */
#define in_space(network, program, err, ...) \
    run_program((const char *const[]){program, "-n", (network)->space, __VA_ARGS__, NULL}, err)

static bool exists(const struct network *network)
{
    char path[80];
    snprintf(path, sizeof path, SPACES "/%s", network->space);
    return access(path, F_OK) == 0;
}

static int make(const struct network *network, struct pe_error *err)
{
    if (run_program((const char *const[]){"ip", "netns", "add", network->space, NULL}, err) < 0 ||
        in_space(network, "ip", err, "link", "add", NETWORK_BRIDGE, "type", "bridge") < 0 ||
        in_space(network, "ip", err, "link", "set", NETWORK_BRIDGE, "up") < 0)
        return -1;
    return in_space(network, "ip", err, "link", "set", "lo", "up");
}

void network_name(const struct place *place, const char *name, struct network *network)
{
    snprintf(network->name, sizeof network->name, "%s", name);
    name_space(place, name, network->space);
}

int network_open(const struct place *place, const struct network *network, struct pe_error *err)
{
    struct pe_error ignored;
    if (geteuid() != 0)
        return pe_fail(err, PE_ERR_INVALID,
                       "only root can make networks of VMs: they need network namespaces");
    pe_autoclose int lock = place_lock(place, err);
    if (lock < 0)
        return -1;
    if (exists(network) || make(network, err) == 0)
        return 0;
    (void)!run_program((const char *const[]){"ip", "netns", "delete", network->space, NULL}, &ignored);
    return pe_fail_context(err, "cannot make the network %s", network->name);
}

/* ---- removing ---- */

struct search {
    const char *space;
    bool found;
};

/* Whether `text` has a line that is `wanted`, and not only begins with it. */
static bool has_line(const char *text, const char *wanted)
{
    const size_t length = strlen(wanted);
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
        if (strcspn(text, "\n") == length && !memcmp(text, wanted, length))
            return true;
    return false;
}

static int look_for(const struct place *place, const struct vmname *name, void *context, struct pe_error *err)
{
    struct search *search = context;
    char path[PLACE_FILE_MAX];
    enum place_state state;
    pe_autobuf struct pe_buf text = {0};
    if (place_find_state(place, name, &state, err) < 0 || state != PLACE_RUNNING)
        return 0;
    place_file(place, name, "networks", path);
    if (place_read_text(path, &text) && has_line((const char *)text.data, search->space))
        search->found = true;
    return 0;
}

void network_sweep(const struct place *place)
{
    char prefix[NETWORK_NAMESPACE_MAX];
    struct pe_error ignored;
    name_space(place, "", prefix);
    pe_autodir DIR *folder = geteuid() == 0 ? opendir(SPACES) : NULL;
    for (const struct dirent *entry; folder && (entry = readdir(folder));) {
        struct search search = {.space = entry->d_name};
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 ||
            place_for_each(place, look_for, &search, &ignored) < 0 || search.found)
            continue;
        (void)!run_program((const char *const[]){"ip", "netns", "delete", entry->d_name, NULL}, &ignored);
    }
}

/* ---- TAP devices ---- */

static int open_tap(const char *name, struct pe_error *err)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    pe_autoclose int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
        return pe_fail_errno(err, "cannot make the TAP device %s", name);
    return pe_steal_fd(&fd);
}

/* The process visits the namespace, because a TAP device is made where the process is. */
static int open_tap_in(const struct network *network, const char *name, struct pe_error *err)
{
    char path[80];
    snprintf(path, sizeof path, SPACES "/%s", network->space);
    pe_autoclose int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    pe_autoclose int there = open(path, O_RDONLY | O_CLOEXEC);
    if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0)
        return pe_fail_errno(err, "cannot enter the namespace %s", network->space);
    pe_autoclose int fd = open_tap(name, err);
    if (setns(home, CLONE_NEWNET) < 0)
        return pe_fail_errno(err, "cannot leave the namespace %s", network->space);
    return pe_steal_fd(&fd);
}

int network_attach(const struct network *network, const char *device, const char *bridge,
                   struct pe_error *err)
{
    if (in_space(network, "ip", err, "link", "set", device, "master", bridge) < 0)
        return -1;
    return in_space(network, "ip", err, "link", "set", device, "up");
}

int network_make_tap(const struct network *network, const char *name, const char *bridge,
                     struct pe_error *err)
{
    pe_autoclose int fd = open_tap_in(network, name, err);
    if (fd < 0 || (bridge && network_attach(network, name, bridge, err) < 0))
        return -1;
    return pe_steal_fd(&fd);
}

/* ---- ports ---- */

static void name_devices(struct network_port *port, const struct vmname *vm)
{
    const uint32_t number = hash(port->id, hash(vm->text, 1));
    snprintf(port->bridge, sizeof port->bridge, "b%08x", number);
    snprintf(port->tap, sizeof port->tap, "t%08x", number);
    snprintf(port->inner, sizeof port->inner, "i%08x", number);
    snprintf(port->outer, sizeof port->outer, "o%08x", number);
    const uint8_t mac[] = {0x52,           0x54, 0x00, (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                           (uint8_t)number};
    memcpy(port->nic.mac, mac, sizeof mac);
}

static int make_devices(struct network_port *port, struct pe_error *err)
{
    const struct network *network = &port->network;
    if (in_space(network, "ip", err, "link", "add", port->bridge, "type", "bridge") < 0 ||
        in_space(network, "ip", err, "link", "set", port->bridge, "up") < 0 ||
        in_space(network, "ip", err, "link", "add", port->inner, "type", "veth", "peer", "name",
                 port->outer) < 0 ||
        network_attach(network, port->inner, port->bridge, err) < 0 ||
        network_attach(network, port->outer, NETWORK_BRIDGE, err) < 0)
        return -1;
    port->nic.tap = network_make_tap(network, port->tap, port->bridge, err);
    return port->nic.tap < 0 ? -1 : 0;
}

int network_port_open(const struct network *network, const struct vmname *vm, const char *id,
                      struct network_port *port, struct pe_error *err)
{
    *port = (struct network_port){.network = *network, .nic.tap = -1};
    snprintf(port->id, sizeof port->id, "%s", id);
    name_devices(port, vm);
    if (make_devices(port, err) == 0)
        return 0;
    network_port_close(port);
    return pe_fail_context(err, "cannot make the port %s of the network %s", id, network->name);
}

void network_port_close(struct network_port *port)
{
    struct pe_error ignored;
    if (port->nic.tap >= 0)
        close(pe_steal_fd(&port->nic.tap));
    (void)!in_space(&port->network, "ip", &ignored, "link", "delete", port->inner);
    (void)!in_space(&port->network, "ip", &ignored, "link", "delete", port->bridge);
}

/* ---- faults ---- */

int network_set_link(const struct network_port *port, bool up, struct pe_error *err)
{
    return in_space(&port->network, "ip", err, "link", "set", port->inner, up ? "up" : "down");
}

/* Packets wait in the queue for half a second at most. */
int network_limit(const struct network_port *port, uint64_t kbit, struct pe_error *err)
{
    const char *const ends[] = {port->inner, port->outer};
    char rate[32];
    snprintf(rate, sizeof rate, "%llukbit", (unsigned long long)kbit);
    for (int i = 0; i < 2; i++)
        if (in_space(&port->network, "tc", err, "qdisc", "replace", "dev", ends[i], "root", "tbf", "rate",
                     rate, "burst", "16kb", "latency", "500ms") < 0)
            return -1;
    return 0;
}

int network_disturb(const struct network_port *port, uint64_t delay_ms, uint64_t loss, struct pe_error *err)
{
    const char *const ends[] = {port->inner, port->outer};
    char delay[32], share[32];
    snprintf(delay, sizeof delay, "%llums", (unsigned long long)delay_ms);
    snprintf(share, sizeof share, "%llu%%", (unsigned long long)loss);
    for (int i = 0; i < 2; i++)
        if (in_space(&port->network, "tc", err, "qdisc", "replace", "dev", ends[i], "root", "netem", "delay",
                     delay, "loss", share, "limit", "10000") < 0)
            return -1;
    return 0;
}

void network_calm(const struct network_port *port)
{
    struct pe_error ignored;
    (void)!in_space(&port->network, "tc", &ignored, "qdisc", "delete", "dev", port->inner, "root");
    (void)!in_space(&port->network, "tc", &ignored, "qdisc", "delete", "dev", port->outer, "root");
}

bool network_has_netem(const struct network_port *port)
{
    struct pe_error ignored;
    if (in_space(&port->network, "tc", &ignored, "qdisc", "replace", "dev", "lo", "root", "netem", "delay",
                 "0ms") < 0)
        return false;
    (void)!in_space(&port->network, "tc", &ignored, "qdisc", "delete", "dev", "lo", "root");
    return true;
}
