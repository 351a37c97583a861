/* SPDX-License-Identifier: Apache-2.0 */
/* The first stage computes until its time is over, with children that outlive it. No other stage runs.
 *
 * stages: run run
 * stage limits: {"wall": 1000}
 * result: exited 0
 * ends: wall
 * stdout: before
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    say("before");
    for (int i = 0; i < 20; i++)
        if (fork() == 0)
            setsid();
    for (;;)
        __asm__ volatile("pause");
}
