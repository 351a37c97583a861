/* SPDX-License-Identifier: Apache-2.0 */
/* For tests that look for leaks of descriptors. */
#ifndef PE_TESTS_UNIT_OPEN_DESCRIPTORS_H
#define PE_TESTS_UNIT_OPEN_DESCRIPTORS_H

#include "base/cleanup.h"
#include "tests/unit/check.h"

#include <dirent.h>
#include <stddef.h>

/* How many descriptors this process has open. It is the same for equal sets of them. */
static inline size_t count_descriptors(void)
{
    size_t count = 0;
    pe_autodir DIR *open_now = opendir("/proc/self/fd");
    assert_non_null(open_now);
    while (readdir(open_now))
        count++;
    return count;
}

#endif
