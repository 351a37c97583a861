/* SPDX-License-Identifier: Apache-2.0 */
/* Watching the memory pressure of a job. guest-init/supervise.c ends it. */
#include "guest-init/thrash.h"

#include "base/io.h"
#include "guest-init/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* All processes that are not idle wait for memory, for so much of a window (microseconds). */
#define TRIGGER "full 100000 2000000"
/* The kernel reports a window at most once, and on a busy host later. */
#define IN_A_ROW_US 10000000u
#define WINDOWS 2u
/* A job with more page cache than this can go on, if slowly. */
#define CACHE_KIB 4096u
/* How often the page cache, and a little more, is read again in a second. */
#define TURNS_PER_SECOND 2u
#define A_LITTLE_KIB 256u
#define PAGE_KIB 4u

int thrash_watch(const char *cgroup)
{
    char path[128];
    snprintf(path, sizeof path, "%s/memory.pressure", cgroup);
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && write(fd, TRIGGER, sizeof TRIGGER) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool thrashed(const struct cgroup_cache *cache, uint64_t refaults, uint64_t time_us)
{
    const uint64_t turn_kib = cache->kib + A_LITTLE_KIB, read_kib = refaults * PAGE_KIB;
    return cache->kib < CACHE_KIB && read_kib * 1000000 > TURNS_PER_SECOND * turn_kib * time_us;
}

bool thrash_is_hopeless(struct thrash *thrash, const char *cgroup, const char *name)
{
    struct cgroup_cache cache;
    const uint64_t now_us = pe_now_us(), time_us = now_us - thrash->seen_us;
    cgroup_read_cache(cgroup, name, &cache);
    const uint64_t refaults = cache.refaults - thrash->refaults;
    const bool again = time_us < IN_A_ROW_US && cache.refaults > thrash->refaults;
    *thrash =
        (struct thrash){.seen_us = now_us,
                        .refaults = cache.refaults,
                        .windows = again && thrashed(&cache, refaults, time_us) ? thrash->windows + 1 : 0};
    return thrash->windows >= WINDOWS;
}
