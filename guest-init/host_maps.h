/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the host refused memory mappings to processes of this guest. Only under User Mode Linux are they
 * processes of the host; such a process is killed with SIGSEGV, which says nothing of the cause. */
#ifndef PE_GUEST_INIT_HOST_MAPS_H
#define PE_GUEST_INIT_HOST_MAPS_H

#include <stdint.h>

/* Open the file with the counter, which costs one call less each time it is read. */
void host_maps_prepare(void);

/* How often the host has refused a mapping since the boot; 0 with any other kernel. The number comes from
 * our patch of the kernel (initramfs/patches/0011). */
uint64_t host_maps_refused(void);

#endif
