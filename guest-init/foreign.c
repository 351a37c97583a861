/* SPDX-License-Identifier: Apache-2.0 */
/* Registering an interpreter for 32-bit programs (Linux, Documentation/admin-guide/binfmt-misc.rst). */
#include "guest-init/foreign.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define BINFMT_MISC "/proc/sys/fs/binfmt_misc"

/* The magic number of ELF, and the class of 32-bit files. F: the kernel opens the interpreter now, because
 * containers do not have it. */
#define RULE ":pe-32bit:M::\\x7fELF\\x01::" GUEST_FOREIGN ":F"

/* The kernel has this file if it was built to run 32-bit programs. */
#define RUNS_32BIT "/proc/sys/abi/vsyscall32"

int foreign_register(struct pe_error *err)
{
    if (access(BINFMT_MISC, F_OK) < 0 || access(RUNS_32BIT, F_OK) == 0)
        return 0;
    if (mount("binfmt_misc", BINFMT_MISC, "binfmt_misc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return pe_fail_errno(err, "cannot mount binfmt_misc");
    pe_autoclose int fd = open(BINFMT_MISC "/register", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "cannot open " BINFMT_MISC "/register");
    return pe_write_all(fd, RULE, strlen(RULE), BINFMT_MISC "/register", err);
}
