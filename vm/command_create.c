/* SPDX-License-Identifier: Apache-2.0 */
/* pe-vm create: the settings of a new VM. Nothing is started. */
#include "base/cleanup.h"
#include "vm/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct create_options {
    const char *place, *engine, *kernel, *initramfs, *append;
    uint64_t memory, memory_max, cpus, cpus_max, vsock;
    struct pe_option_list disks, nets;
};

static int set_path(const char *path, char absolute[PATH_MAX], struct pe_error *err)
{
    if (!path || realpath(path, absolute))
        return 0;
    return pe_fail_errno(err, "cannot find %s", path);
}

/* Remove `suffix` from the end of `text`. Returns whether it was there. */
static bool cut_suffix(char *text, const char *suffix)
{
    const size_t length = strlen(text), size = strlen(suffix);
    if (length <= size || strcmp(text + length - size, suffix) != 0)
        return false;
    text[length - size] = '\0';
    return true;
}

/* FILE, then ,qcow2 and ,readonly in this order, if at all. */
static int add_disk(const char *text, struct vmconfig *config, struct pe_error *err)
{
    char path[PATH_MAX];
    const size_t length = strlen(text);
    if (config->disk_count == VMCONFIG_DISKS_MAX || length >= sizeof path)
        return pe_fail(err, PE_ERR_INVALID, "a VM can be created with at most %d disks", VMCONFIG_DISKS_MAX);
    struct vmconfig_disk *disk = &config->disks[config->disk_count++];
    memcpy(path, text, length + 1);
    disk->readonly = cut_suffix(path, ",readonly");
    disk->qcow2 = cut_suffix(path, ",qcow2");
    return set_path(path, disk->path, err);
}

static int add_net(const char *name, struct vmconfig *config, struct pe_error *err)
{
    if (config->net_count == VMCONFIG_NETS_MAX)
        return pe_fail(err, PE_ERR_INVALID, "a VM can be created with at most %d network devices",
                       VMCONFIG_NETS_MAX);
    if (vmconfig_check_net(name, err) < 0)
        return -1;
    snprintf(config->nets[config->net_count++], sizeof config->nets[0], "%s", name);
    return 0;
}

static uint32_t narrow(uint64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static int fill(const struct create_options *options, struct vmconfig *config, struct pe_error *err)
{
    if (strlen(options->engine) >= sizeof config->engine || strlen(options->append) >= sizeof config->append)
        return pe_fail(err, PE_ERR_INVALID, "--engine or --append is too long");
    memcpy(config->engine, options->engine, strlen(options->engine) + 1);
    memcpy(config->append, options->append, strlen(options->append) + 1);
    config->memory_mib = narrow(options->memory);
    config->memory_max_mib = narrow(options->memory_max ? options->memory_max : options->memory);
    config->cpus = narrow(options->cpus);
    config->cpus_max = narrow(options->cpus_max ? options->cpus_max : options->cpus);
    config->vsock_cid = narrow(options->vsock);
    for (size_t i = 0; i < options->disks.count; i++)
        if (add_disk(options->disks.items[i], config, err) < 0)
            return -1;
    for (size_t i = 0; i < options->nets.count; i++)
        if (add_net(options->nets.items[i], config, err) < 0)
            return -1;
    if (set_path(options->kernel, config->kernel, err) < 0 ||
        set_path(options->initramfs, config->initramfs, err) < 0)
        return -1;
    return vmconfig_check(config, err);
}

static int create(const struct pe_program *program, int argc, char **argv, struct create_options *options,
                  struct pe_error *err)
{
    struct place place;
    struct vmname name;
    int rest = 0;
    struct vmconfig *config = calloc(1, sizeof *config);
    pe_autofree void *owned = config;
    if (!config)
        return pe_fail_errno(err, "out of memory for the settings of a VM");
    if (command_begin(program, argc, argv, &options->place, false, &place, &name, &rest, err) < 0 ||
        fill(options, config, err) < 0)
        return -1;
    return place_create(&place, &name, config, err);
}

int command_create(int argc, char **argv, struct pe_error *err)
{
    struct create_options o = {.engine = "qemu", .append = "", .memory = 256, .cpus = 1};
    const struct pe_option options[] = {
        {"engine", 'e', "ENGINE", "qemu (the default), qemu+kvm, qemu+tcg, cloud-hypervisor or uml",
         PE_OPTION_TEXT, &o.engine},
        {"memory", 'm', "MIB", "memory (default 256)", PE_OPTION_NUMBER, &o.memory},
        {"max-memory", 0, "MIB", "to how much it can be resized (default: not at all)", PE_OPTION_NUMBER,
         &o.memory_max},
        {"cpus", 'c', "N", "virtual CPUs (default 1)", PE_OPTION_NUMBER, &o.cpus},
        {"max-cpus", 0, "N", "to how many it can be resized (default: not at all)", PE_OPTION_NUMBER,
         &o.cpus_max},
        {"kernel", 0, "FILE", "kernel (default: that of the installation)", PE_OPTION_TEXT, &o.kernel},
        {"initramfs", 0, "FILE", "initramfs (default: guest/vm/initramfs.cpio of the installation)",
         PE_OPTION_TEXT, &o.initramfs},
        {"append", 0, "TEXT", "add TEXT to the command line of the kernel", PE_OPTION_TEXT, &o.append},
        {"disk", 'd', "FILE[,qcow2][,readonly]", "a disk, raw or qcow2; repeatable", PE_OPTION_LIST,
         &o.disks},
        {"net", 'n', "NETWORK", "a network device in NETWORK; may be given twice", PE_OPTION_LIST, &o.nets},
        {"vsock", 0, "CID", "a vsock device with this address", PE_OPTION_NUMBER, &o.vsock},
        COMMAND_PLACE_OPTION(o.place),
        {0}};
    const struct pe_program program = {.name = "pe-vm create",
                                       .usage = "[options] NAME",
                                       .about = "Define a VM. `pe-vm boot` starts it.",
                                       .options = options};
    const int failed = create(&program, argc, argv, &o, err);
    pe_option_list_free(&o.disks);
    pe_option_list_free(&o.nets);
    return failed;
}
