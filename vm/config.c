/* SPDX-License-Identifier: Apache-2.0 */
/* Checking the settings of a VM, and writing and reading them as JSON. */
#include "vm/config.h"

#include "base/utf8.h"
#include "proto/job_spec.h"

#include <string.h>

static const char *const engines[] = {"qemu", "qemu+kvm", "qemu+tcg", "cloud-hypervisor", "uml"};

int vmconfig_check_net(const char *name, struct pe_error *err)
{
    const size_t length = strlen(name);
    if (length >= 1 && length <= VMCONFIG_NET_NAME_MAX &&
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789") == length)
        return 0;
    return pe_fail(err, PE_ERR_INVALID,
                   "'%.60s' is not a name of a network: it has 1 to %d lower-case letters and digits", name,
                   VMCONFIG_NET_NAME_MAX);
}

static int check_engine(const char *engine, struct pe_error *err)
{
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (!strcmp(engine, engines[i]))
            return 0;
    return pe_fail(err, PE_ERR_INVALID,
                   "there is no engine '%.60s'; there are qemu, qemu+kvm, qemu+tcg, cloud-hypervisor and uml",
                   engine);
}

static int check_range(const char *what, uint64_t value, uint64_t least, uint64_t most, struct pe_error *err)
{
    if (value >= least && value <= most)
        return 0;
    return pe_fail(err, PE_ERR_INVALID, "%s must be between %llu and %llu, not %llu", what,
                   (unsigned long long)least, (unsigned long long)most, (unsigned long long)value);
}

static int check_text(const char *what, const char *text, struct pe_error *err)
{
    for (size_t at = 0, size = strlen(text), length = 0; at < size; at += length)
        if (!(length = pe_utf8_sequence_size((const uint8_t *)text + at, size - at)))
            return pe_fail(err, PE_ERR_INVALID, "%s is not UTF-8, as the settings of a VM have to be", what);
    return 0;
}

static int check_texts(const struct vmconfig *config, struct pe_error *err)
{
    if (check_text("the path of the kernel", config->kernel, err) < 0 ||
        check_text("the path of the initramfs", config->initramfs, err) < 0 ||
        check_text("what --append adds", config->append, err) < 0)
        return -1;
    for (uint32_t i = 0; i < config->disk_count; i++)
        if (check_text("the path of a disk", config->disks[i].path, err) < 0)
            return -1;
    return 0;
}

int vmconfig_check(const struct vmconfig *config, struct pe_error *err)
{
    if (check_engine(config->engine, err) < 0 ||
        check_range("the memory in MiB", config->memory_mib, 64, 1u << 20, err) < 0 ||
        check_range("the most memory in MiB", config->memory_max_mib, config->memory_mib, 1u << 20, err) <
            0 ||
        check_range("the number of CPUs", config->cpus, 1, 64, err) < 0 ||
        check_range("the most CPUs", config->cpus_max, config->cpus, 64, err) < 0)
        return -1;
    if (config->vsock_cid && check_range("the CID of vsock", config->vsock_cid, 3, UINT32_MAX - 1, err) < 0)
        return -1;
    for (uint32_t i = 0; i < config->net_count; i++)
        if (vmconfig_check_net(config->nets[i], err) < 0)
            return -1;
    return check_texts(config, err);
}

/* ---- JSON ---- */

static json_t *disks_to_json(const struct vmconfig *config)
{
    pe_autojson json_t *list = json_array();
    for (uint32_t i = 0; i < config->disk_count; i++) {
        const struct vmconfig_disk *disk = &config->disks[i];
        json_t *object = json_pack("{s:s, s:b, s:b}", "path", disk->path, "readonly", disk->readonly, "qcow2",
                                   disk->qcow2);
        if (json_array_append_new(list, object) < 0)
            return NULL;
    }
    return json_incref(list);
}

static json_t *nets_to_json(const struct vmconfig *config)
{
    pe_autojson json_t *list = json_array();
    for (uint32_t i = 0; i < config->net_count; i++)
        if (json_array_append_new(list, json_string(config->nets[i])) < 0)
            return NULL;
    return json_incref(list);
}

json_t *vmconfig_to_json(const struct vmconfig *config)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:o, s:o, s:I}", "engine", config->engine,
                     "memory_mib", (json_int_t)config->memory_mib, "memory_max_mib",
                     (json_int_t)config->memory_max_mib, "cpus", (json_int_t)config->cpus, "cpus_max",
                     (json_int_t)config->cpus_max, "kernel", config->kernel, "initramfs", config->initramfs,
                     "append", config->append, "disks", disks_to_json(config), "networks",
                     nets_to_json(config), "vsock_cid", (json_int_t)config->vsock_cid);
}

static int malformed(const char *key, struct pe_error *err)
{
    return pe_fail(err, PE_ERR_MALFORMED, "the settings of the VM have no valid '%s'", key);
}

static int read_text(const json_t *json, const char *key, char *text, size_t size, struct pe_error *err)
{
    const char *value = json_string_value(json_object_get(json, key));
    if (!value || strlen(value) >= size)
        return malformed(key, err);
    memcpy(text, value, strlen(value) + 1);
    return 0;
}

static int read_number(const json_t *json, const char *key, uint32_t *number, struct pe_error *err)
{
    const json_t *value = json_object_get(json, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > UINT32_MAX)
        return malformed(key, err);
    *number = (uint32_t)json_integer_value(value);
    return 0;
}

static int read_disks(const json_t *list, struct vmconfig *config, struct pe_error *err)
{
    if (!json_is_array(list) || json_array_size(list) > VMCONFIG_DISKS_MAX)
        return malformed("disks", err);
    config->disk_count = (uint32_t)json_array_size(list);
    for (uint32_t i = 0; i < config->disk_count; i++) {
        const json_t *disk = json_array_get(list, i);
        if (read_text(disk, "path", config->disks[i].path, sizeof config->disks[i].path, err) < 0)
            return -1;
        config->disks[i].readonly = json_is_true(json_object_get(disk, "readonly"));
        config->disks[i].qcow2 = json_is_true(json_object_get(disk, "qcow2"));
    }
    return 0;
}

static int read_nets(const json_t *list, struct vmconfig *config, struct pe_error *err)
{
    if (!json_is_array(list) || json_array_size(list) > VMCONFIG_NETS_MAX)
        return malformed("networks", err);
    config->net_count = (uint32_t)json_array_size(list);
    for (uint32_t i = 0; i < config->net_count; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!name || strlen(name) > VMCONFIG_NET_NAME_MAX)
            return malformed("networks", err);
        memcpy(config->nets[i], name, strlen(name) + 1);
    }
    return 0;
}

int vmconfig_from_json(const json_t *json, struct vmconfig *config, struct pe_error *err)
{
    memset(config, 0, sizeof *config);
    if (read_text(json, "engine", config->engine, sizeof config->engine, err) < 0 ||
        read_number(json, "memory_mib", &config->memory_mib, err) < 0 ||
        read_number(json, "memory_max_mib", &config->memory_max_mib, err) < 0 ||
        read_number(json, "cpus", &config->cpus, err) < 0 ||
        read_number(json, "cpus_max", &config->cpus_max, err) < 0 ||
        read_text(json, "kernel", config->kernel, sizeof config->kernel, err) < 0 ||
        read_text(json, "initramfs", config->initramfs, sizeof config->initramfs, err) < 0 ||
        read_text(json, "append", config->append, sizeof config->append, err) < 0 ||
        read_disks(json_object_get(json, "disks"), config, err) < 0 ||
        read_nets(json_object_get(json, "networks"), config, err) < 0 ||
        read_number(json, "vsock_cid", &config->vsock_cid, err) < 0)
        return -1;
    return vmconfig_check(config, err);
}
