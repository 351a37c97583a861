/* SPDX-License-Identifier: Apache-2.0 */
/* TCP connections over the loopback interface, full of bytes that nobody reads.
 *
 * job: {"timeout_ms": 8000}
 * result: oom or exited 0 or timeout
 * stdout has: start
 */
#include "tests/hostile/attempt.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

int main(void)
{
    static char block[256 * 1024];
    const struct rlimit most = {4096, 4096};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    setrlimit(RLIMIT_NOFILE, &most);
    if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 4096) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) < 0)
        give_up("listen");
    say("start");
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) < 0)
            break;
        fcntl(fd, F_SETFL, O_NONBLOCK);
        while (write(fd, block, sizeof block) > 0)
            ;
    }
    say("limited");
    return 0;
}
