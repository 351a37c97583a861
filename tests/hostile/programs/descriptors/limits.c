/* SPDX-License-Identifier: Apache-2.0 */
/* Raise each limit that is set.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sys/resource.h>

int main(void)
{
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        struct rlimit limit;
        const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
        if (getrlimit((__rlimit_resource_t)i, &limit) == 0 && limit.rlim_max != RLIM_INFINITY)
            must_fail("raising a limit", setrlimit((__rlimit_resource_t)i, &none));
    }
    return held();
}
