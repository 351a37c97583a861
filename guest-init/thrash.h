/* SPDX-License-Identifier: Apache-2.0 */
/* Noticing that a job thrashes: its memory is full, and the little page cache that is left is read again and
 * again. The kernel kills nothing then, because it always finds a page to take away. */
#ifndef PE_GUEST_INIT_THRASH_H
#define PE_GUEST_INIT_THRASH_H

#include <stdbool.h>
#include <stdint.h>

/* What was seen of a cgroup until now. All 0: nothing. */
struct thrash {
    uint64_t seen_us;
    uint64_t refaults; /* pages that were read again because they had been taken away */
    unsigned windows;  /* in a row in which it thrashed */
};

/* Have the kernel watch how much time the processes of a cgroup, and of those below it, spend on getting
 * memory (Documentation/accounting/psi.rst). Returns a descriptor for poll(2), which the caller closes:
 * POLLPRI means that it was a twentieth of the last two seconds, and POLLERR that the cgroup is gone. Returns
 * -1 if the kernel cannot do that. */
int thrash_watch(const char *cgroup);

/* Call this after POLLPRI. Whether the cgroup `name` below `cgroup` has thrashed for two windows in a row, so
 * that its processes should be ended. */
bool thrash_is_hopeless(struct thrash *thrash, const char *cgroup, const char *name);

#endif
