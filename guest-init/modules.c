/* SPDX-License-Identifier: Apache-2.0 */
/* Loading kernel modules with finit_module(2), in the order of a list. initramfs/build has checked
 * that every module comes after those that it depends on. */
#include "guest-init/modules.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#define ORDER_BYTES_MAX 4096u

/* A kernel without loadable modules (ENOSYS) has everything built in. */
static int load_one(int folder, const char *name, struct pe_error *err)
{
    pe_autoclose int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "cannot open module %s", name);
    if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST && errno != ENOSYS)
        return pe_fail_errno(err, "cannot load module %s", name);
    return 0;
}

int modules_load(struct pe_error *err)
{
    pe_autoclose int folder = open(GUEST_MODULES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return pe_fail_errno(err, "cannot open " GUEST_MODULES);
    pe_autobuf struct pe_buf order = {0};
    if (pe_read_file(folder, "order", ORDER_BYTES_MAX, &order, err) < 0)
        return -1;
    struct pe_cursor rest = {.at = order.data, .left = order.size};
    size_t length = 0;
    for (const uint8_t *line; (line = pe_cursor_read_until(&rest, '\n', &length));) {
        char name[256];
        if (length == 0 || length >= sizeof name)
            return pe_fail(err, PE_ERR_MALFORMED, GUEST_MODULES "/order has a malformed line");
        memcpy(name, line, length);
        name[length] = '\0';
        if (load_one(folder, name, err) < 0)
            return -1;
    }
    return 0;
}
