/* SPDX-License-Identifier: Apache-2.0 */
/* Usage of a stage: rusage of the processes that have ended, and /proc of those that are alive. */
#include "guest-init/stage_usage.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROC_STAT_MAX = 1024, FIELD_UTIME = 14, FIELD_CSTIME = 17 }; /* proc(5), /proc/[pid]/stat */

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

void stage_usage_add(struct stage_usage *usage, const struct rusage *reaped)
{
    usage->user_us += microseconds(reaped->ru_utime);
    usage->system_us += microseconds(reaped->ru_stime);
    if ((uint64_t)reaped->ru_maxrss > usage->max_rss_kib)
        usage->max_rss_kib = (uint64_t)reaped->ru_maxrss;
}

/* The sum of utime, stime, cutime and cstime. The name of the program, in front of them, may have a
 * ')'. */
static uint64_t ticks_in(const char *stat)
{
    const char *at = strrchr(stat, ')');
    uint64_t ticks = 0;
    for (int field = 3; at && field <= FIELD_CSTIME; field++) {
        at = strchr(at + 1, ' ');
        if (at && field >= FIELD_UTIME)
            ticks += strtoull(at + 1, NULL, 10);
    }
    return ticks;
}

static uint64_t ticks_of(int proc, const char *pid)
{
    char path[32], text[PROC_STAT_MAX];
    snprintf(path, sizeof path, "%.16s/stat", pid);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return 0; /* it has just been reaped */
    text[n] = '\0';
    return ticks_in(text);
}

uint64_t stage_usage_of_live_processes(void)
{
    DIR *proc = opendir("/proc");
    uint64_t ticks = 0;
    const struct dirent *entry = NULL;
    while (proc && (entry = readdir(proc))) {
        long pid = isdigit((unsigned char)entry->d_name[0]) ? strtol(entry->d_name, NULL, 10) : 1;
        if (pid != 1 && pid != getpid())
            ticks += ticks_of(dirfd(proc), entry->d_name);
    }
    if (proc)
        closedir(proc);
    return ticks * (1000000 / (uint64_t)sysconf(_SC_CLK_TCK));
}
