/* SPDX-License-Identifier: Apache-2.0 */
/* A breakpoint that no debugger waits for.
 *
 * result: signaled 5
 * stdout: before
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    say("before");
    __asm__ volatile("int3");
    return 0;
}
