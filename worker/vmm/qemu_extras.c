/* SPDX-License-Identifier: Apache-2.0 */
/* Disks, network devices, the agent's port and free ports on QEMU's command line. */
#include "worker/vmm/qemu_extras.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define VSOCK_DEVICE "/dev/vhost-vsock"

int qemu_extras_open_vsock(const struct vm_extras *extras, int *fd, struct pe_error *err)
{
    if (!extras->vsock_cid)
        return 0;
    *fd = open(VSOCK_DEVICE, O_RDWR | O_CLOEXEC);
    if (*fd >= 0)
        return 0;
    return pe_fail(err, PE_ERR_INVALID,
                   "this host has no vsock for VMs of QEMU: cannot open " VSOCK_DEVICE
                   ": %s; the kernel module vhost_vsock makes it",
                   strerror(errno));
}

void qemu_extras_add_memory_size(struct argv_builder *args, const struct vm_spec *spec)
{
    if (spec->extras->memory_max_mib > spec->memory_mib)
        argv_add(args, "%uM,slots=16,maxmem=%uM", spec->memory_mib, spec->extras->memory_max_mib);
    else
        argv_add(args, "%uM", spec->memory_mib);
}

/* The descriptor is duplicated by QEMU, so the VMM's user needs no permission for the file. A qcow2 file that
 * names another file, on which it is based, fails: QEMU can open nothing by path. */
static void add_disk(struct argv_builder *args, struct fd_list *list, size_t index,
                     const struct vm_disk *disk)
{
    argv_add(args, "-add-fd");
    argv_add(args, "fd=%d,set=%zu", fd_list_add(list, disk->fd), index);
    argv_add(args, "-blockdev");
    argv_add(args,
             "driver=%s,node-name=disk-%zu,read-only=%s,file.driver=file,file.filename=/dev/fdset/%zu,"
             "file.locking=off",
             disk->qcow2 ? "qcow2" : "raw", index, disk->writable ? "off" : "on", index);
    argv_add(args, "-device");
    argv_add(args, "virtio-blk-pci,drive=disk-%zu,id=device-disk-%zu", index, index);
}

static void add_nic(struct argv_builder *args, struct fd_list *list, size_t index, const struct vm_nic *nic)
{
    const uint8_t *mac = nic->mac;
    argv_add(args, "-netdev");
    argv_add(args, "tap,id=net-%zu,fd=%d,vhost=off", index, fd_list_add(list, nic->tap));
    argv_add(args, "-device");
    argv_add(args,
             "virtio-net-pci,netdev=net-%zu,id=device-net-%zu,romfile=,"
             "mac=%02x:%02x:%02x:%02x:%02x:%02x",
             index, index, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

void qemu_extras_add(struct argv_builder *args, struct fd_list *list, const struct vm_extras *extras,
                     int agent, int vsock)
{
    argv_add(args, "-chardev");
    argv_add(args, "socket,id=agent,fd=%d", fd_list_add(list, agent));
    argv_add(args, "-serial");
    argv_add(args, "chardev:agent");
    for (int i = 0; i < QEMU_EXTRAS_PORTS; i++) {
        argv_add(args, "-device");
        argv_add(args, "pcie-root-port,id=port-%d,chassis=%d", i, i + 1);
    }
    for (size_t i = 0; i < extras->disk_count; i++)
        add_disk(args, list, i, &extras->disks[i]);
    for (size_t i = 0; i < extras->nic_count; i++)
        add_nic(args, list, i, &extras->nics[i]);
    if (vsock >= 0) {
        argv_add(args, "-device");
        argv_add(args, "vhost-vsock-pci,guest-cid=%u,vhostfd=%d", extras->vsock_cid,
                 fd_list_add(list, vsock));
    }
}
