/* SPDX-License-Identifier: Apache-2.0 */
/* Control of a cloud-hypervisor VM with extras over its REST API. Disks and network devices can only be given
 * to it before it boots: it opens them by path, and in its jail the host's paths do not exist. */
#include "base/io.h"
#include "proto/limits.h"
#include "worker/vmm/ch_api.h"
#include "worker/vmm/ch_config.h"
#include "worker/vmm/control.h"

#include <stdio.h>

#define CALL_MS 60000u

/* Prepare for one call. `path` gets the path of the socket, which has to live as long as `api`. */
static int begin(const struct vm_control *control, char path[160], struct ch_api *api, struct pe_error *err)
{
    snprintf(path, 160, "%s/" CH_API_SOCKET, control->vm->run_dir);
    if (ch_api_begin(api, path, control->vm->pidfd, pe_now_us() + CALL_MS * 1000ull, err) < 0)
        return -1;
    return ch_api_await_socket(api, err);
}

static int ch_pause(struct vm_control *control, struct pe_error *err)
{
    char path[160];
    autochapi struct ch_api api = CH_API_NONE;
    return begin(control, path, &api, err) < 0 ? -1 : ch_api_pause(&api, err);
}

static int ch_resume(struct vm_control *control, struct pe_error *err)
{
    char path[160];
    autochapi struct ch_api api = CH_API_NONE;
    return begin(control, path, &api, err) < 0 ? -1 : ch_api_resume(&api, err);
}

static int ch_press_power(struct vm_control *control, struct pe_error *err)
{
    char path[160];
    autochapi struct ch_api api = CH_API_NONE;
    return begin(control, path, &api, err) < 0 ? -1 : ch_api_press_power(&api, err);
}

static int ch_resize(struct vm_control *control, const struct vm_spec *spec, uint32_t memory_mib,
                     uint32_t cpus, struct pe_error *err)
{
    char path[160];
    autochapi struct ch_api api = CH_API_NONE;
    (void)spec;
    return begin(control, path, &api, err) < 0
               ? -1
               : ch_api_resize(&api, cpus, (uint64_t)memory_mib * PE_MIB, err);
}

/* ---- what pe-vm does not do ---- */

static int refuse(const char *what, struct pe_error *err)
{
    return pe_fail(
        err, PE_ERR_INVALID,
        "pe-vm cannot %s a VM of cloud-hypervisor that runs: cloud-hypervisor opens files by path, and "
        "in its jail the host's paths do not exist; `pe-vm create --disk` gives it disks",
        what);
}

static int ch_add_disk(struct vm_control *control, const char *id, const struct vm_disk *disk,
                       struct pe_error *err)
{
    (void)control, (void)id, (void)disk;
    return refuse("add a disk to", err);
}

static int ch_remove(struct vm_control *control, const char *id, struct pe_error *err)
{
    (void)control, (void)id;
    return refuse("take a device from", err);
}

static int ch_add_nic(struct vm_control *control, const char *id, const struct vm_nic *nic,
                      struct pe_error *err)
{
    (void)control, (void)id, (void)nic;
    return pe_fail(
        err, PE_ERR_INVALID,
        "pe-vm cannot give a VM of cloud-hypervisor a network device: its API takes descriptors of TAP "
        "devices only together with a request, which the driver does not send");
}

static int ch_snapshot(struct vm_control *control, int memory_fd, int state_fd, struct pe_error *err)
{
    (void)control, (void)memory_fd, (void)state_fd;
    return pe_fail(
        err, PE_ERR_INVALID,
        "pe-vm cannot save a VM of cloud-hypervisor with disks and a console; QEMU's can be saved");
}

const struct vmm_control_calls ch_control = {.add_disk = ch_add_disk,
                                             .add_nic = ch_add_nic,
                                             .remove = ch_remove,
                                             .snapshot = ch_snapshot,
                                             .pause = ch_pause,
                                             .resume = ch_resume,
                                             .press_power = ch_press_power,
                                             .resize = ch_resize};
