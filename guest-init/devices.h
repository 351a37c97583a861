/* SPDX-License-Identifier: Apache-2.0 */
/* The block devices of the guest. Their names depend on the VMM (proto/guest-contract.md). */
#ifndef PE_GUEST_INIT_DEVICES_H
#define PE_GUEST_INIT_DEVICES_H

struct guest_devices {
    const char *rootfs; /* the image */
    const char *input;  /* what the slot writes before `go` */
    const char *output; /* a preparation or nothing, then what the job delivers */
    const char *live;   /* rings, while the job runs (proto/live_ring.h) */
};

/* The names that this guest's command line asks for. */
const struct guest_devices *guest_devices(void);

#endif
