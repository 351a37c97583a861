/* SPDX-License-Identifier: Apache-2.0 */
/* Run pe-shim itself, with a socket of the program's own in the place of the one that leads to pe-init, and
 * give it messages.
 *
 * result: exited 3
 * stdout:
 */
#include "tests/hostile/attempt.h"

#include <sys/socket.h>

int main(void)
{
    static char message[4096];
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
        give_up("socketpair");
    pid_t child = fork();
    if (child == 0) {
        dup2(pair[1], 3);
        execl("/dev/pe-shim", "/dev/pe-shim", (char *)NULL);
        _exit(1);
    }
    for (size_t size = 1; size < sizeof message; size *= 2)
        send(pair[0], message, size, MSG_NOSIGNAL);
    close(pair[0]);
    close(pair[1]);
    waitpid(child, NULL, 0);
    return 3;
}
