/* SPDX-License-Identifier: Apache-2.0 */
/* A function that calls itself for ever.
 *
 * result: signaled 11
 * stdout: start
 */
#include "tests/hostile/attempt.h"

static int deeper(volatile char *above) /* NOLINT(misc-no-recursion) */
{
    volatile char frame[1024];
    frame[0] = above ? above[0] : 1;
    return frame[0] ? deeper(frame) + frame[0] : 0;
}

int main(void)
{
    say("start");
    return deeper(NULL);
}
