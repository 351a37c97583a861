/* SPDX-License-Identifier: Apache-2.0 */
/* UNIX sockets full of datagrams that nobody reads.
 *
 * result: oom
 * stdout: start
 */
#include "tests/hostile/attempt.h"

#include <sys/resource.h>
#include <sys/socket.h>

int main(void)
{
    static char block[32 * 1024];
    const struct rlimit most = {4096, 4096};
    int pair[2];
    say("start");
    setrlimit(RLIMIT_NOFILE, &most);
    while (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) == 0)
        while (write(pair[0], block, sizeof block) > 0)
            ;
    return 9;
}
