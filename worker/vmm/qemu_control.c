/* SPDX-License-Identifier: Apache-2.0 */
/* Control of a QEMU VM with extras over QMP. Names and arguments are those of QEMU's QMP reference manual
 * (docs/interop/qemu-qmp-ref). */
#include "base/io.h"
#include "proto/job_spec.h"
#include "worker/vmm/control.h"
#include "worker/vmm/driver.h"
#include "worker/vmm/qemu_extras.h"
#include "worker/vmm/qemu_state.h"
#include "worker/vmm/sparse_copy.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define CALL_MS 60000u

/* Begin a dialog, or go on with it. */
static int begin(struct vm_control *control, struct pe_error *err)
{
    control->qmp.fd = control->vm->manage_fd;
    control->qmp.deadline_us = pe_now_us() + CALL_MS * 1000ull;
    control->qmp.resumed = false;
    if (control->vm->manage_begun)
        return 0;
    if (qmp_begin(&control->qmp, err) < 0)
        return vmm_explain(control->vm, err);
    control->vm->manage_begun = true;
    return 0;
}

static int call(struct vm_control *control, const char *command, json_t *arguments, struct pe_error *err)
{
    return qmp_execute(&control->qmp, command, arguments, -1, NULL, err);
}

/* Add to the arguments of a command. Without memory they are freed, and the command is not sent: QEMU would
 * take it for another one. */
static void add_argument(json_t **arguments, const char *name, json_t *value)
{
    if (json_object_set_new(*arguments, name, value) == 0)
        return;
    json_decref(*arguments);
    *arguments = NULL;
}

static int simple(struct vm_control *control, const char *command, struct pe_error *err)
{
    return begin(control, err) < 0 ? -1 : call(control, command, json_object(), err);
}

static int qemu_pause(struct vm_control *control, struct pe_error *err)
{
    return simple(control, "stop", err);
}

static int qemu_resume(struct vm_control *control, struct pe_error *err)
{
    return simple(control, "cont", err);
}

static int qemu_press_power(struct vm_control *control, struct pe_error *err)
{
    return simple(control, "system_powerdown", err);
}

/* ---- size ---- */

/* Memory is added as a DIMM. Guests accept it in blocks of 128 MiB. */
#define DIMM_MIB 128u

static int add_memory(struct vm_control *control, uint32_t mib, struct pe_error *err)
{
    static unsigned number;
    char memory[24], dimm[24];
    snprintf(memory, sizeof memory, "memory-%u", number);
    snprintf(dimm, sizeof dimm, "dimm-%u", number++);
    if (call(control, "object-add",
             json_pack("{s:s, s:s, s:I}", "qom-type", "memory-backend-ram", "id", memory, "size",
                       (json_int_t)mib << 20),
             err) < 0)
        return -1;
    if (call(control, "device_add",
             json_pack("{s:s, s:s, s:s}", "driver", "pc-dimm", "id", dimm, "memdev", memory), err) == 0)
        return 0;
    struct pe_error ignored;
    (void)!call(control, "object-del", json_pack("{s:s}", "id", memory), &ignored);
    return -1;
}

/* Add the first CPU that is not there yet; QEMU lists those with the highest number first. */
static int add_cpu(struct vm_control *control, struct pe_error *err)
{
    pe_autojson json_t *list = NULL;
    if (qmp_execute_plain(&control->qmp, "query-hotpluggable-cpus", &list, err) < 0)
        return -1;
    for (size_t i = json_array_size(list); i-- > 0;) {
        json_t *cpu = json_array_get(list, i);
        const char *driver = json_string_value(json_object_get(cpu, "type"));
        json_t *properties = json_object_get(cpu, "props");
        if (json_object_get(cpu, "qom-path") || !driver || !properties)
            continue;
        json_t *arguments = json_deep_copy(properties);
        add_argument(&arguments, "driver", json_string(driver));
        return call(control, "device_add", arguments, err);
    }
    return pe_fail(err, PE_ERR_INVALID, "QEMU has no free place for another CPU");
}

static int qemu_resize(struct vm_control *control, const struct vm_spec *spec, uint32_t memory_mib,
                       uint32_t cpus, struct pe_error *err)
{
    if ((memory_mib && memory_mib < spec->memory_mib) || (cpus && cpus < spec->cpus))
        return pe_fail(err, PE_ERR_INVALID,
                       "pe-vm cannot take memory or CPUs away from a VM of QEMU that runs");
    const uint32_t more = memory_mib ? memory_mib - spec->memory_mib : 0;
    if (more % DIMM_MIB)
        return pe_fail(err, PE_ERR_INVALID, "QEMU adds memory in steps of %u MiB: the VM has %u", DIMM_MIB,
                       spec->memory_mib);
    if (begin(control, err) < 0)
        return -1;
    control->was_resized |= more != 0 || cpus > spec->cpus;
    if (more && add_memory(control, more, err) < 0)
        return -1;
    for (uint32_t i = spec->cpus; i < cpus; i++)
        if (add_cpu(control, err) < 0)
            return -1;
    return 0;
}

/* ---- devices that come and go ---- */

/* Plug the device in at the first free port. `arguments` are those of device_add without `bus`. */
static int plug(struct vm_control *control, json_t *arguments, struct pe_error *err)
{
    unsigned port = 0;
    while (port < QEMU_EXTRAS_PORTS && control->ports_used >> port & 1)
        port++;
    if (port == QEMU_EXTRAS_PORTS) {
        json_decref(arguments);
        return pe_fail(err, PE_ERR_INVALID, "a VM can get at most %d devices while it runs",
                       QEMU_EXTRAS_PORTS);
    }
    add_argument(&arguments, "bus", json_sprintf("port-%u", port));
    if (call(control, "device_add", arguments, err) < 0)
        return -1;
    control->ports_used |= 1u << port;
    return 0;
}

/* Have QEMU close its descriptor of a disk. It keeps the descriptor when the disk is gone, and with it the
 * space of a file that was deleted. */
static void remove_descriptor(struct vm_control *control, const char *id)
{
    pe_autojson json_t *sets = NULL;
    struct pe_error ignored;
    size_t index;
    json_t *set;
    if (qmp_execute_plain(&control->qmp, "query-fdsets", &sets, &ignored) < 0)
        return;
    json_array_foreach(sets, index, set)
    {
        json_t *first = json_array_get(json_object_get(set, "fds"), 0);
        const char *owner = json_string_value(json_object_get(first, "opaque"));
        if (owner && !strcmp(owner, id))
            (void)!call(control, "remove-fd",
                        json_pack("{s:O}", "fdset-id", json_object_get(set, "fdset-id")), &ignored);
    }
}

static int add_block_node(struct vm_control *control, const char *id, const struct vm_disk *disk,
                          struct pe_error *err)
{
    pe_autojson json_t *set = NULL;
    if (qmp_execute(&control->qmp, "add-fd", json_pack("{s:s}", "opaque", id), disk->fd, &set, err) < 0)
        return -1;
    return call(
        control, "blockdev-add",
        json_pack("{s:s, s:s, s:b, s:{s:s, s:o, s:s}}", "driver", "raw", "node-name", id, "read-only",
                  !disk->writable, "file", "driver", "file", "filename",
                  json_sprintf("/dev/fdset/%lld", json_integer_value(json_object_get(set, "fdset-id"))),
                  "locking", "off"),
        err);
}

static int add_disk(struct vm_control *control, const char *id, const struct vm_disk *disk,
                    struct pe_error *err)
{
    struct pe_error ignored;
    if (add_block_node(control, id, disk, err) < 0)
        return -1;
    if (plug(control,
             json_pack("{s:s, s:s, s:o, s:s}", "driver", "virtio-blk-pci", "drive", id, "id",
                       json_sprintf("device-%s", id), "serial", id),
             err) == 0)
        return 0;
    (void)!call(control, "blockdev-del", json_pack("{s:s}", "node-name", id), &ignored);
    return -1;
}

static int qemu_add_disk(struct vm_control *control, const char *id, const struct vm_disk *disk,
                         struct pe_error *err)
{
    if (begin(control, err) < 0)
        return -1;
    if (add_disk(control, id, disk, err) == 0)
        return 0;
    remove_descriptor(control, id);
    return -1;
}

/* QEMU takes the descriptor from its list when it makes the backend, and else keeps it. */
static int add_tap(struct vm_control *control, const char *id, int tap, struct pe_error *err)
{
    struct pe_error ignored;
    if (qmp_execute(&control->qmp, "getfd", json_pack("{s:s}", "fdname", id), tap, NULL, err) < 0)
        return -1;
    if (call(control, "netdev_add",
             json_pack("{s:s, s:s, s:s, s:b}", "type", "tap", "id", id, "fd", id, "vhost", 0), err) == 0)
        return 0;
    (void)!call(control, "closefd", json_pack("{s:s}", "fdname", id), &ignored);
    return -1;
}

static int qemu_add_nic(struct vm_control *control, const char *id, const struct vm_nic *nic,
                        struct pe_error *err)
{
    const uint8_t *mac = nic->mac;
    struct pe_error ignored;
    if (begin(control, err) < 0 || add_tap(control, id, nic->tap, err) < 0)
        return -1;
    if (plug(control,
             json_pack("{s:s, s:s, s:o, s:s, s:o}", "driver", "virtio-net-pci", "netdev", id, "id",
                       json_sprintf("device-%s", id), "romfile", "", "mac",
                       json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                                    mac[5])),
             err) == 0)
        return 0;
    (void)!call(control, "netdev_del", json_pack("{s:s}", "id", id), &ignored);
    return -1;
}

/* The port of a device, by its place in QEMU's tree; -1: it has none. */
static int port_of(struct vm_control *control, const char *id)
{
    pe_autojson json_t *bus = NULL;
    struct pe_error ignored;
    char path[96];
    snprintf(path, sizeof path, "/machine/peripheral/device-%.40s", id);
    if (qmp_execute(&control->qmp, "qom-get", json_pack("{s:s, s:s}", "path", path, "property", "parent_bus"),
                    -1, &bus, &ignored) < 0 ||
        !json_is_string(bus))
        return -1;
    const char *port = strstr(json_string_value(bus), "port-");
    return port ? port[strlen("port-")] - '0' : -1;
}

static int delete_disk(struct vm_control *control, const char *id, struct pe_error *err)
{
    if (call(control, "blockdev-del", json_pack("{s:s}", "node-name", id), err) < 0)
        return -1;
    remove_descriptor(control, id);
    return 0;
}

static int delete_backend(struct vm_control *control, const char *id, struct pe_error *err)
{
    return strncmp(id, "net", 3) != 0 ? delete_disk(control, id, err)
                                      : call(control, "netdev_del", json_pack("{s:s}", "id", id), err);
}

/* Whether the device is there still. */
static bool is_plugged(struct vm_control *control, const char *id)
{
    pe_autojson json_t *ignored = NULL;
    struct pe_error gone;
    char path[96];
    snprintf(path, sizeof path, "/machine/peripheral/device-%.40s", id);
    return qmp_execute(&control->qmp, "qom-list", json_pack("{s:s}", "path", path), -1, &ignored, &gone) == 0;
}

/* Whether QEMU is there, and refuses because the guest has not given the device up. */
static bool is_refusal(const struct pe_error *err)
{
    return err->kind == PE_ERR_INTERNAL;
}

/* The guest gives the device up first, and then QEMU lets go of what is behind it, both a little later. */
static int remove_backend(struct vm_control *control, const char *id, struct pe_error *err)
{
    static const struct timespec pause = {.tv_nsec = 50000000};
    const uint64_t deadline_us = pe_now_us() + VM_CONTROL_REMOVE_MS * 1000ull;
    while (pe_now_us() <= deadline_us) {
        if (!is_plugged(control, id)) {
            if (delete_backend(control, id, err) == 0)
                return 0;
            if (!is_refusal(err))
                return -1;
        }
        nanosleep(&pause, NULL);
    }
    return pe_fail(err, PE_ERR_TIMEOUT, "the guest did not give up the device %s", id);
}

static int qemu_remove(struct vm_control *control, const char *id, struct pe_error *err)
{
    if (begin(control, err) < 0)
        return -1;
    const int port = port_of(control, id);
    if (call(control, "device_del", json_pack("{s:o}", "id", json_sprintf("device-%s", id)), err) < 0 ||
        remove_backend(control, id, err) < 0)
        return -1;
    if (port >= 0 && port < QEMU_EXTRAS_PORTS)
        control->ports_used &= ~(1u << port);
    return 0;
}

/* ---- snapshots ---- */

static int qemu_snapshot(struct vm_control *control, int memory_fd, int state_fd, struct pe_error *err)
{
    struct pe_error ignored;
    if (begin(control, err) < 0)
        return -1;
    if (qemu_state_write(&control->qmp, state_fd, err) == 0 &&
        sparse_copy(control->vm->memory_fd, memory_fd, "the memory of a VM", err) == 0)
        return 0;
    if (!control->paused)
        (void)!qmp_execute_plain(&control->qmp, "cont", NULL, &ignored);
    return -1;
}

const struct vmm_control_calls qemu_control = {.pause = qemu_pause,
                                               .resume = qemu_resume,
                                               .press_power = qemu_press_power,
                                               .resize = qemu_resize,
                                               .add_disk = qemu_add_disk,
                                               .add_nic = qemu_add_nic,
                                               .remove = qemu_remove,
                                               .snapshot = qemu_snapshot};
