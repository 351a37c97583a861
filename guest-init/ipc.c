/* SPDX-License-Identifier: Apache-2.0 */
/* Listing by index, as ipcs(1) does it: nothing is listed if there is nothing, which is the rule. */
#include "guest-init/ipc.h"

#include "base/cleanup.h"
#include "guest-init/detached.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

/* The last argument of semctl(2), which its header does not define. */
union semaphore_argument {
    struct seminfo *info;
    struct semid_ds *state;
};

/* This function and the next two return 0, or -1 if an object is left. `last` is the greatest index in use.
 * With no object it is 0 or -1, and then the number of objects tells that there is none. */
static int clear_memory(void)
{
    struct shm_info info = {0};
    struct shmid_ds state;
    int last = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info);
    bool cleared = true;
    for (int i = 0; i <= last && info.used_ids; i++) {
        int id = shmctl(i, SHM_STAT, &state);
        cleared = (id < 0 || shmctl(id, IPC_RMID, NULL) == 0) && cleared;
    }
    return cleared ? 0 : -1;
}

static int clear_semaphores(void)
{
    struct seminfo info = {0};
    struct semid_ds state;
    int last = semctl(0, 0, SEM_INFO, (union semaphore_argument){.info = &info});
    bool cleared = true;
    for (int i = 0; i <= last && info.semusz; i++) {
        int id = semctl(i, 0, SEM_STAT, (union semaphore_argument){.state = &state});
        cleared = (id < 0 || semctl(id, 0, IPC_RMID) == 0) && cleared;
    }
    return cleared ? 0 : -1;
}

static int clear_queues(void)
{
    struct msginfo info = {0};
    struct msqid_ds state;
    int last = msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&info);
    bool cleared = true;
    for (int i = 0; i <= last && info.msgpool; i++) {
        int id = msgctl(i, MSG_STAT, &state);
        cleared = (id < 0 || msgctl(id, IPC_RMID, NULL) == 0) && cleared;
    }
    return cleared ? 0 : -1;
}

static int clear_folder(DIR *queues)
{
    const struct dirent *entry = NULL;
    while ((entry = readdir(queues)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlinkat(dirfd(queues), entry->d_name, 0) < 0)
            return -1;
    return 0;
}

/* POSIX queues are files of a file system, of which each namespace has its own. A kernel without it has no
 * such queues. */
static int clear_posix_queues(void)
{
    struct pe_error why = {0};
    pe_autoclose int mount = detached_mount("mqueue", NULL, 0, 0, &why);
    pe_autoclose int folder = mount < 0 ? -1 : openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pe_autodir DIR *queues = folder < 0 ? NULL : fdopendir(folder);
    if (!queues)
        return mount < 0 && why.errnum == ENODEV ? 0 : -1;
    pe_steal_fd(&folder);
    return clear_folder(queues);
}

int ipc_clear(int pidfd, struct pe_error *err)
{
    pe_autoclose int own = open("/proc/self/ns/ipc", O_RDONLY | O_CLOEXEC);
    if (own < 0 || setns(pidfd, CLONE_NEWIPC) < 0)
        return pe_fail_errno(err, "cannot change the IPC namespace");
    bool cleared =
        clear_memory() == 0 && clear_semaphores() == 0 && clear_queues() == 0 && clear_posix_queues() == 0;
    int failed = cleared ? 0 : pe_fail_errno(err, "cannot remove what programs left in the IPC namespace");
    if (setns(own, CLONE_NEWIPC) < 0)
        return pe_fail_errno(err, "cannot go back to pe-init's IPC namespace");
    return failed;
}
