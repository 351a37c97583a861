/* SPDX-License-Identifier: Apache-2.0 */
/* Instances and watches of inotify.
 *
 * result: exited 0
 * stdout: limited
 */
#include "tests/hostile/attempt.h"

#include <sys/inotify.h>

int main(void)
{
    int count = 0;
    while (count < 4000 && inotify_init1(0) >= 0)
        count++;
    say(count < 1000 ? "limited" : "not limited");
    return 0;
}
