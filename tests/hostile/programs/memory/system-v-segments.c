/* SPDX-License-Identifier: Apache-2.0 */
/* Segments of shared memory that stay when their process has ended.
 *
 * result: oom
 * stdout: start
 */
#include "tests/hostile/attempt.h"

#include <sys/shm.h>

static void leave_segment(void)
{
    int id = shmget(IPC_PRIVATE, 32 * MIB, IPC_CREAT | 0600);
    char *segment = id < 0 ? NULL : shmat(id, NULL, 0);
    if (!segment || segment == (char *)-1) /* NOLINT(performance-no-int-to-ptr) */
        _exit(1);
    memset(segment, 1, 32 * MIB);
}

int main(void)
{
    say("start");
    for (int i = 0; i < 20; i++)
        if (in_child(leave_segment) != 0)
            return 9;
    return 0;
}
