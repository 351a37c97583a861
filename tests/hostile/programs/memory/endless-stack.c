/* SPDX-License-Identifier: Apache-2.0 */
/* The limit of the stack is lifted, and the program executes itself and calls a function for ever.
 *
 * result: oom
 * stdout: start
 */
#include "tests/hostile/attempt.h"

#include <sys/resource.h>

static int deeper(volatile char *above) /* NOLINT(misc-no-recursion) */
{
    volatile char frame[64 * 1024];
    for (size_t i = 0; i < sizeof frame; i += PAGE)
        frame[i] = above ? above[i] : 1;
    return frame[0] ? deeper(frame) + frame[0] : 0;
}

int main(int argc, char **argv)
{
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    if (argc > 1)
        return deeper(NULL);
    say("start");
    if (setrlimit(RLIMIT_STACK, &none) < 0)
        give_up("setrlimit");
    execl("/proc/self/exe", argv[0], "again", (char *)NULL);
    return 9;
}
