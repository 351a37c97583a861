/* SPDX-License-Identifier: Apache-2.0 */
/* Threads without end. They count as processes, of which there are at most 512.
 *
 * result: exited 0
 * stdout: limited
 */
#include "tests/hostile/attempt.h"

#include <pthread.h>

static void *wait_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

int main(void)
{
    pthread_attr_t small;
    pthread_t thread;
    int count = 0;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 16 * 1024);
    while (count < 2000 && pthread_create(&thread, &small, wait_for_ever, NULL) == 0)
        count++;
    say(count > 400 && count < 512 ? "limited" : "not limited");
    return 0;
}
