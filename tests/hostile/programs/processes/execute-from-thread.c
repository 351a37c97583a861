/* SPDX-License-Identifier: Apache-2.0 */
/* Another thread than the first one executes a program, which ends all threads and takes their number.
 *
 * result: exited 5
 * stdout:
 */
#include "tests/hostile/attempt.h"

#include <pthread.h>

static void *execute(void *unused)
{
    execl("/bin/sh", "sh", "-c", "exit 5", (char *)NULL);
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, execute, NULL);
    for (;;)
        pause();
}
