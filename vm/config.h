/* SPDX-License-Identifier: Apache-2.0 */
/* What a VM is made of, as `pe-vm create` was told: the file config.json in its folder. */
#ifndef PE_VM_CONFIG_H
#define PE_VM_CONFIG_H

#include "base/error.h"

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define VMCONFIG_DISKS_MAX 4
#define VMCONFIG_NETS_MAX 2
#define VMCONFIG_NET_NAME_MAX 10 /* so that names of interfaces with a number have at most 15 letters */
#define VMCONFIG_TEXT_MAX 1024

struct vmconfig_disk {
    char path[PATH_MAX]; /* absolute */
    bool readonly;
    bool qcow2; /* the format of the file; false: raw */
};

struct vmconfig {
    char engine[48]; /* "qemu", "qemu+kvm", "qemu+tcg", "cloud-hypervisor" or "uml" */
    uint32_t memory_mib, memory_max_mib;
    uint32_t cpus, cpus_max;
    char kernel[PATH_MAX], initramfs[PATH_MAX]; /* absolute; "": those of the installation */
    char append[VMCONFIG_TEXT_MAX];             /* added to the kernel's command line */
    struct vmconfig_disk disks[VMCONFIG_DISKS_MAX];
    uint32_t disk_count;
    char nets[VMCONFIG_NETS_MAX][VMCONFIG_NET_NAME_MAX + 1]; /* names of networks */
    uint32_t net_count;
    uint32_t vsock_cid; /* 0: the VM has no vsock */
};

/* Check what does not depend on the host: numbers, engine, names of networks, and that texts are UTF-8, which
 * JSON has to be. PE_ERR_INVALID. */
int vmconfig_check(const struct vmconfig *config, struct pe_error *err) PE_MUST_CHECK;

/* Check the name of a network: 1 to VMCONFIG_NET_NAME_MAX lower-case letters and digits. PE_ERR_INVALID. */
int vmconfig_check_net(const char *name, struct pe_error *err) PE_MUST_CHECK;

/* As JSON, which the caller owns; NULL without memory. */
json_t *vmconfig_to_json(const struct vmconfig *config);

/* Read what vmconfig_to_json wrote. PE_ERR_MALFORMED if it is something else. */
int vmconfig_from_json(const json_t *json, struct vmconfig *config, struct pe_error *err) PE_MUST_CHECK;

#endif
