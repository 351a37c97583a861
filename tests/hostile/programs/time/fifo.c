/* SPDX-License-Identifier: Apache-2.0 */
/* Wait for the other end of a FIFO that nobody opens.
 *
 * job: {"timeout_ms": 1000}
 * result: timeout
 * stdout: before
 */
#include "tests/hostile/attempt.h"

#include <sys/stat.h>

int main(void)
{
    say("before");
    if (mkfifo("/output/fifo", 0600) < 0)
        give_up("mkfifo");
    return open("/output/fifo", O_RDONLY) < 0;
}
