/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of a VMM becomes a child of this process as soon as its parent has ended, so killing
 * all children again and again reaches the whole tree. */
#include "worker/host/orphans.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define GIVE_UP_US 10000000u

/* The kernel may leave out a child in a list that it makes while another one ends (proc(5)). */
#define EMPTY_LISTS 2

int orphans_adopt(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static void await_end(pid_t pid, int options)
{
    siginfo_t ignored;
    while (waitid(P_PID, (id_t)pid, &ignored, WEXITED | options) < 0 && errno == EINTR)
        ;
}

static bool is_among(pid_t pid, const pid_t *pids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (pids[i] == pid)
            return true;
    return false;
}

/* End the children of this process, as many as a short list of them has, except for the VMM and those that
 * are spared. Returns how many that were. */
static unsigned end_children(pid_t vmm, const pid_t *spared, size_t count)
{
    char list[4096] = "";
    unsigned ended = 0;
    pe_autoclose int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, list, sizeof list - 1);
    /* A number that ends with the buffer may be cut. */
    const char *const end = list + (length > 0 ? length : 0);
    char *after = list;
    for (const char *at = list; at < end; at = after + 1) {
        pid_t pid = (pid_t)strtol(at, &after, 10);
        if (after == at || *after != ' ')
            break;
        if (pid <= 0 || pid == vmm || is_among(pid, spared, count))
            continue;
        kill(pid, SIGKILL);
        await_end(pid, 0);
        ended++;
    }
    return ended;
}

void orphans_end(pid_t pid, const pid_t *spared, size_t count)
{
    unsigned total = 0, empty = 0;
    kill(pid, SIGKILL);
    await_end(pid, WNOWAIT);
    /* The end of a VMM may take long on a machine that is busy or was suspended. */
    const uint64_t deadline_us = pe_now_us() + GIVE_UP_US;
    do {
        unsigned ended = end_children(pid, spared, count);
        total += ended;
        empty = ended ? 0 : empty + 1;
    } while (empty < EMPTY_LISTS && pe_now_us() < deadline_us);
    if (empty < EMPTY_LISTS)
        pe_log(PE_LOG_ERROR,
               "the VMM %d left processes that start others faster than they can be killed; %u were killed",
               (int)pid, total);
}
