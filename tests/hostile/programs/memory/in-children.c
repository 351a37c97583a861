/* SPDX-License-Identifier: Apache-2.0 */
/* Children use up the memory, one after another, and are killed. The program does not mind.
 *
 * result: exited 0
 * stdout: 2 were killed
 */
#include "tests/hostile/attempt.h"

static void eat(void)
{
    while (use_memory(8 * MIB))
        ;
}

int main(void)
{
    int killed = 0;
    for (int i = 0; i < 2; i++)
        killed += WIFSIGNALED(in_child(eat));
    printf("%d were killed\n", killed);
    return 0;
}
