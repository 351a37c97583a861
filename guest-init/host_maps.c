/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the kernel's counter of refused mappings. */
#include "guest-init/host_maps.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int counter = -1; /* -1: this is another kernel */

void host_maps_prepare(void)
{
    counter = open("/sys/module/kernel/parameters/host_maps_refused", O_RDONLY | O_CLOEXEC);
}

uint64_t host_maps_refused(void)
{
    char text[64];
    ssize_t size = counter < 0 ? -1 : pread(counter, text, sizeof text - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    return strtoull(text, NULL, 10);
}
