/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduling policies of the processes that watch a program. */
#include "guest-init/precedence.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>

#define RT_RUNTIME "/proc/sys/kernel/sched_rt_runtime_us"

int precedence_prepare(struct pe_error *err)
{
    pe_autoclose int fd = open(RT_RUNTIME, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "cannot open " RT_RUNTIME);
    return pe_write_all(fd, "-1", 2, RT_RUNTIME, err);
}

static bool taken; /* by the caller */

void precedence_take(pid_t pid)
{
    static const struct sched_param lowest = {.sched_priority = 1};
    sched_setscheduler(pid, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest);
    taken = taken || pid == 0;
}

void precedence_return(void)
{
    static const struct sched_param none = {0};
    if (taken)
        sched_setscheduler(0, SCHED_OTHER, &none);
    taken = false;
}
