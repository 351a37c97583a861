/* SPDX-License-Identifier: Apache-2.0 */
/* Run pe-shim under the name that it has when it takes the place of a program of another architecture.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include "guest-init/foreign.h"

static void run_without_program(void)
{
    execl("/dev/pe-shim", GUEST_FOREIGN, (char *)NULL);
}

static void run_with_program(void)
{
    execl("/dev/pe-shim", GUEST_FOREIGN, "\x1b]0;title\x07", "more", (char *)NULL);
}

int main(void)
{
    int without = in_child(run_without_program), with = in_child(run_with_program);
    if (WEXITSTATUS(without) != 126 || WEXITSTATUS(with) != 126)
        breach("pe-shim did something else");
    return held();
}
