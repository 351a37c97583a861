/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX message queues, of which each user may have little.
 *
 * result: exited 0
 * stdout: limited
 */
#include "tests/hostile/attempt.h"

#include <mqueue.h>

int main(void)
{
    char name[32];
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "/queue%d", i);
        if (mq_open(name, O_CREAT | O_RDWR, 0600, NULL) < 0) {
            say("limited");
            return 0;
        }
    }
    say("not limited");
    return 0;
}
