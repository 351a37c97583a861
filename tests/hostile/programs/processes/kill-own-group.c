/* SPDX-License-Identifier: Apache-2.0 */
/* Kill the own process group, which must not be that of anything else.
 *
 * engines: each
 * result: signaled 9
 * stdout: before
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    say("before");
    kill(0, SIGKILL);
    return 0;
}
