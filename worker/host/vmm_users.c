/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing a free range of users. A file is locked with flock(2) for each range that is in use. The
 * files stay, because removing a file that another worker is about to lock would let two have it. */
#include "worker/host/vmm_users.h"

#include "base/cleanup.h"
#include "worker/host/worker_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

/* systemd leaves this range of user ids alone, which ends at 2147483647 (its UIDS-GIDS.md). */
#define FIRST 2000000000u
#define RANGES 1024u

/* Returns a descriptor, -1 with errno, or -2 if another process has the lock. */
static int try_lock(const char *path)
{
    pe_autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -2 : -1;
    return pe_steal_fd(&fd);
}

int vmm_users_lock(const char *folder, uid_t *first, struct pe_error *err)
{
    if (worker_dir_ensure(folder, err) < 0)
        return -1;
    for (unsigned range = 0; range < RANGES; range++) {
        char path[PATH_MAX];
        *first = FIRST + range * VMM_USERS;
        snprintf(path, sizeof path, "%s/%u", folder, (unsigned)*first);
        int fd = try_lock(path);
        if (fd >= 0)
            return fd;
        if (fd == -1)
            return pe_fail_errno(err, "cannot lock %s, which reserves users for VMMs", path);
    }
    return pe_fail(err, PE_ERR_BUSY, "all users for VMMs are in use, according to %s; use --vmm-user",
                   folder);
}
