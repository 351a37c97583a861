/* SPDX-License-Identifier: Apache-2.0 */
/* The program executes itself for ever.
 *
 * job: {"timeout_ms": 1000}
 * result: timeout
 * stdout:
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    execl("/proc/self/exe", "again", (char *)NULL);
    return 1;
}
