/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the block devices. The kernel puts `pe_devices=ubd` of its command line into the
 * environment of PID 1. */
#include "guest-init/devices.h"

#include <stdlib.h>
#include <string.h>

const struct guest_devices *guest_devices(void)
{
    static const struct guest_devices pmem = {"/dev/pmem0", "/dev/pmem1", "/dev/pmem2", "/dev/pmem3"};
    static const struct guest_devices ubd = {"/dev/ubda", "/dev/ubdb", "/dev/ubdc", "/dev/ubdd"};
    const char *kind = getenv("pe_devices");
    return kind && !strcmp(kind, "ubd") ? &ubd : &pmem;
}
