/* SPDX-License-Identifier: Apache-2.0 */
/* Open stdout again for both directions, make its pipe small and non-blocking, and read from it what was not
 * yet taken away. A program can only harm its own output.
 *
 * result: exited 0
 * stdout has: end
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    char bytes[PAGE];
    int again = open("/proc/self/fd/1", O_RDWR | O_NONBLOCK);
    int reader = open("/proc/self/fd/1", O_RDONLY | O_NONBLOCK);
    fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PAGE);
    fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK | O_APPEND);
    fcntl(STDOUT_FILENO, F_SETOWN, 1);
    fcntl(STDOUT_FILENO, F_SETSIG, SIGKILL);
    fcntl(STDOUT_FILENO, F_SETFL, O_ASYNC);
    for (int i = 0; i < 1000; i++)
        if (write(again, "stolen\n", 7) > 0 && read(reader, bytes, sizeof bytes) < 0 && errno != EAGAIN)
            return 1;
    fcntl(STDOUT_FILENO, F_SETFL, 0);
    say("end");
    return 0;
}
