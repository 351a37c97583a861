/* SPDX-License-Identifier: Apache-2.0 */
/* Send every signal to PID 1, which is pe-shim.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    for (int i = 1; i <= 64; i++)
        kill(1, i);
    for (int i = 1; i <= 64; i++)
        sigqueue(1, i, (union sigval){.sival_int = 1});
    usleep(50000);
    return held();
}
