/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and raising vm.max_map_count. */
#include "worker/vmm/host_mappings.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_FILE "/proc/sys/vm/max_map_count"

static int read_limit(uint64_t *limit, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    if (pe_read_file(AT_FDCWD, LIMIT_FILE, 64, &text, err) < 0 || pe_buf_append(&text, "", 1, err) < 0)
        return -1;
    *limit = strtoull((const char *)text.data, NULL, 10);
    return 0;
}

static int is_enough(uint64_t limit, struct pe_error *err)
{
    if (limit >= HOST_MAPPINGS_WANTED)
        return 0;
    return pe_fail(err, PE_ERR_INVALID,
                   "vm.max_map_count is %llu, so a program with very scattered memory cannot run; "
                   "`sysctl -w vm.max_map_count=%u` on the host helps",
                   (unsigned long long)limit, HOST_MAPPINGS_WANTED);
}

static void write_limit(uint64_t limit)
{
    struct pe_error ignored; /* is_enough says what is missing */
    char text[24];
    pe_autoclose int fd = open(LIMIT_FILE, O_WRONLY | O_CLOEXEC);
    int length = snprintf(text, sizeof text, "%llu", (unsigned long long)limit);
    if (fd >= 0 && pe_write_all(fd, text, (size_t)length, LIMIT_FILE, &ignored) < 0)
        return;
}

int host_mappings_check(struct pe_error *err)
{
    uint64_t limit = 0;
    return read_limit(&limit, err) < 0 ? -1 : is_enough(limit, err);
}

int host_mappings_raise(uint64_t *before, struct pe_error *err)
{
    if (read_limit(before, err) < 0)
        return -1;
    if (*before >= HOST_MAPPINGS_WANTED)
        return 0;
    write_limit(HOST_MAPPINGS_WANTED);
    return host_mappings_check(err) < 0 ? -1 : 1;
}
