/* SPDX-License-Identifier: Apache-2.0 */
/* The first thread ends, and another one goes on. The exit code is that of the process.
 *
 * result: exited 7
 * stdout: the last thread ends
 */
#include "tests/hostile/attempt.h"

#include <pthread.h>

static void *end_later(void *unused)
{
    usleep(200000);
    say("the last thread ends");
    _exit(7);
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, end_later, NULL);
    pthread_exit(NULL);
}
