/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the kernel's counter of refused mappings. */
#include "guest-init/host_maps.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdlib.h>

uint64_t host_maps_refused(void)
{
    struct pe_error ignored;
    pe_autobuf struct pe_buf text = {0};
    if (pe_read_file(AT_FDCWD, "/sys/module/kernel/parameters/host_maps_refused", 64, &text, &ignored) < 0 ||
        pe_buf_append(&text, "", 1, &ignored) < 0)
        return 0;
    return strtoull((const char *)text.data, NULL, 10);
}
