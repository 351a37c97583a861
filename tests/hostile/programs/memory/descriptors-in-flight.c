/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that are sent through each other and closed, so that only the kernel knows them, in circles.
 *
 * result: exited 0 or oom
 * stdout has: start
 */
#include "tests/hostile/attempt.h"

#include <sys/socket.h>

static int send_fd(int through, int fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    char byte = 0;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    return sendmsg(through, &message, MSG_DONTWAIT) == 1 ? 0 : -1;
}

int main(void)
{
    int pair[2];
    say("start");
    for (int i = 0; i < 20000 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0; i++) {
        send_fd(pair[0], pair[0]);
        send_fd(pair[0], pair[1]);
        send_fd(pair[1], pair[0]);
        close(pair[0]);
        close(pair[1]);
    }
    say("end");
    return 0;
}
