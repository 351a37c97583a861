/* SPDX-License-Identifier: Apache-2.0 */
/* Building and changing VmConfigs. Sources: cloud-hypervisor's docs/memory.md,
 * docs/snapshot_restore.md and vmm/src/vm_config.rs. cloud-hypervisor silently ignores keys that it
 * does not know, so a misspelt key would cost a device; the stand-in in tests/standin refuses such
 * keys. */
#include "worker/vmm/ch_config.h"

#include "base/cleanup.h"
#include "codec/json_list.h"
#include "proto/job_spec.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

/* pmem devices are at the top of the guest's address space. With the default of 46 bits, a guest
 * with KASLR cannot map them and has no /dev/pmem0 (cloud-hypervisor's issue 8191). */
#define PHYSICAL_ADDRESS_BITS 40

static json_t *fd_path(int fd)
{
    return json_sprintf("/proc/self/fd/%d", fd);
}

static json_t *folder_path(const char *folder, const char *name)
{
    return json_sprintf("%s/%s", folder, name);
}

/* A snapshot leaves out a memory zone that is a shared file with at least one link (is_hardlink in
 * vmm/src/memory_manager.rs). That file is then the memory of the snapshot. A memfd has no link. */
static json_t *memory(const struct vm_spec *spec, const char *folder)
{
    json_int_t bytes = (json_int_t)spec->memory_mib * PE_MIB;
    if (!spec->savable)
        return json_pack("{s:I}", "size", bytes);
    return json_pack("{s:i, s:[{s:s, s:I, s:o, s:b}]}", "size", 0, "zones", "id", "ram", "size", bytes,
                     "file", folder_path(folder, CH_MEMORY), "shared", 1);
}

/* The names of kernel and initramfs are removed after the boot. */
static json_t *payload(const struct vm_spec *spec, const char *folder)
{
    return json_pack("{s:o, s:o, s:o}", "kernel", folder_path(folder, CH_KERNEL), "initramfs",
                     folder_path(folder, CH_INITRAMFS), "cmdline",
                     json_sprintf("quiet panic=-1 cryptomgr.notests swiotlb=noforce mitigations=off%s",
                                  spec->guest_options));
}

/* With discard_writes the file is opened read-only. */
static json_t *pmem(const struct vm_spec *spec, const struct ch_fds *fds)
{
    json_t *list = json_array();
    for (int i = 0; i < VM_PMEM_COUNT; i++)
        if (spec->pmem[i].fd >= 0)
            pe_json_list_add(&list, json_pack("{s:o, s:o, s:I, s:b}", "id", json_sprintf("pmem%d", i), "file",
                                              fd_path(fds->pmem[i]), "size", (json_int_t)spec->pmem[i].bytes,
                                              "discard_writes", !spec->pmem[i].writable));
    return list;
}

/* ---- VMs with extras ---- */

/* Disks are opened by the numbers of inherited descriptors. */
static json_t *disks(const struct vm_extras *extras, const struct ch_fds *fds)
{
    json_t *list = json_array();
    for (size_t i = 0; i < extras->disk_count; i++)
        pe_json_list_add(&list, json_pack("{s:o, s:o, s:b}", "id", json_sprintf("disk-%zu", i), "path",
                                          fd_path(fds->disks[i]), "readonly", !extras->disks[i].writable));
    return list;
}

/* What only some VMs have. Returns -1 without memory. */
static int add_options(json_t *config, const struct vm_spec *spec, const char *folder)
{
    const struct vm_extras *extras = spec->extras;
    const json_int_t more_mib = (json_int_t)extras->memory_max_mib - spec->memory_mib;
    if (more_mib > 0 && json_object_set_new(json_object_get(config, "memory"), "hotplug_size",
                                            json_integer(more_mib * PE_MIB)) < 0)
        return -1;
    if (!extras->vsock_cid)
        return 0;
    return json_object_set_new(config, "vsock",
                               json_pack("{s:I, s:o}", "cid", (json_int_t)extras->vsock_cid, "socket",
                                         folder_path(folder, CH_VSOCK)));
}

/* The only serial port that can be a socket is the agent's, so the console is the virtio console. */
static json_t *config_with_extras(const struct vm_spec *spec, const struct ch_fds *fds, const char *folder)
{
    const struct vm_extras *extras = spec->extras;
    json_t *config = json_pack(
        "{s:{s:i, s:i, s:b}, s:{s:I, s:b}, s:{s:o, s:o, s:o}, s:o, s:{s:s, s:o}, s:{s:s, s:o}, s:{s:s}}",
        "cpus", "boot_vcpus", (int)spec->cpus, "max_vcpus", (int)extras->cpus_max, "nested", 0, "memory",
        "size", (json_int_t)spec->memory_mib * PE_MIB, "shared", 1, "payload", "kernel",
        folder_path(folder, CH_KERNEL), "initramfs", folder_path(folder, CH_INITRAMFS), "cmdline",
        json_sprintf("console=hvc0 panic=-1 mitigations=off pe_agent=ttyS0%s", spec->guest_options), "disks",
        disks(extras, fds), "serial", "mode", "Socket", "socket", folder_path(folder, CH_SERIAL_SOCKET),
        "console", "mode", "File", "file", folder_path(folder, CH_CONSOLE), "rng", "src", "/dev/urandom");
    if (config && add_options(config, spec, folder) == 0)
        return config;
    json_decref(config);
    return NULL;
}

json_t *ch_config_boot(const struct vm_spec *spec, const struct ch_fds *fds, const char *folder)
{
    if (spec->extras)
        return config_with_extras(spec, fds, folder);
    return json_pack("{s:{s:i, s:i, s:i, s:b}, s:o, s:o, s:o, s:{s:s, s:o}, s:{s:s}, s:{s:s}}", "cpus",
                     "boot_vcpus", (int)spec->cpus, "max_vcpus", (int)spec->cpus, "max_phys_bits",
                     PHYSICAL_ADDRESS_BITS, "nested", 0, "memory", memory(spec, folder), "payload",
                     payload(spec, folder), "pmem", pmem(spec, fds), "serial", "mode", "Socket", "socket",
                     folder_path(folder, CH_SERIAL_SOCKET), "console", "mode", "Off", "rng", "src",
                     "/dev/urandom");
}

/* ---- clones ---- */

static int set(json_t *object, const char *key, json_t *value, struct pe_error *err)
{
    const bool has_object = json_is_object(object);
    if (json_object_set_new(object, key, value) == 0)
        return 0;
    return has_object
               ? pe_fail(err, PE_ERR_INTERNAL, "out of memory for config.json of a clone")
               : pe_fail(err, PE_ERR_MALFORMED, "config.json of a snapshot has no object for '%s'", key);
}

static json_t *find_device(const json_t *config, int number)
{
    char wanted[16];
    size_t index;
    json_t *device;
    snprintf(wanted, sizeof wanted, "pmem%d", number);
    json_array_foreach(json_object_get(config, "pmem"), index, device)
    {
        const char *id = json_string_value(json_object_get(device, "id"));
        if (id && !strcmp(id, wanted))
            return device;
    }
    return NULL;
}

/* The sizes are compared here: cloud-hypervisor maps the new file with the old size, unchecked. */
static int replace_pmem(const json_t *config, const struct vm_spec *spec, const struct ch_fds *fds,
                        struct pe_error *err)
{
    size_t count = 0;
    for (int i = 0; i < VM_PMEM_COUNT; i++) {
        if (spec->pmem[i].fd < 0)
            continue;
        json_t *device = find_device(config, i);
        if (!device || (uint64_t)json_integer_value(json_object_get(device, "size")) != spec->pmem[i].bytes)
            return pe_fail(err, PE_ERR_INVALID,
                           "pmem device %d of the snapshot has another size than that of the clone", i);
        if (set(device, "file", fd_path(fds->pmem[i]), err) < 0)
            return -1;
        count++;
    }
    if (json_array_size(json_object_get(config, "pmem")) != count)
        return pe_fail(err, PE_ERR_INVALID, "the snapshot and the clone have different pmem devices");
    return 0;
}

int ch_config_clone(json_t *config, const struct vm_spec *spec, const struct ch_fds *fds, const char *folder,
                    struct pe_error *err)
{
    json_t *zone = json_array_get(json_object_get(json_object_get(config, "memory"), "zones"), 0);
    json_t *start = json_object_get(config, "payload");
    if (set(zone, "file", fd_path(fds->memory), err) < 0 || set(zone, "shared", json_false(), err) < 0 ||
        set(start, "kernel", folder_path(folder, CH_KERNEL), err) < 0 ||
        set(json_object_get(config, "serial"), "socket", folder_path(folder, CH_SERIAL_SOCKET), err) < 0)
        return -1;
    json_object_del(start, "initramfs"); /* cloud-hypervisor would open it */
    return replace_pmem(config, spec, fds, err);
}
