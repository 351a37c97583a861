/* SPDX-License-Identifier: Apache-2.0 */
/* Messages with file descriptors. */
#include "base/fd_message.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t pe_fd_message_send(int socket, const void *bytes, size_t size, const int *fds, size_t count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(PE_FD_MESSAGE_MAX * sizeof(int))];
    } control = {0};
    struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (count > PE_FD_MESSAGE_MAX)
        abort();
    if (count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(count * sizeof *fds);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(count * sizeof *fds);
        memcpy(CMSG_DATA(rights), fds, count * sizeof *fds);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

/* Hand over the first `most` descriptors of a control message, and close the others. */
static size_t take(const struct cmsghdr *rights, int *fds, size_t most)
{
    size_t sent = (rights->cmsg_len - CMSG_LEN(0)) / sizeof *fds, count = 0;
    for (size_t i = 0; i < sent; i++) {
        int fd = -1;
        memcpy(&fd, CMSG_DATA(rights) + i * sizeof fd, sizeof fd);
        if (count < most)
            fds[count++] = fd;
        else
            close(fd);
    }
    return count;
}

ssize_t pe_fd_message_receive(int socket, void *bytes, size_t size, int *fds, size_t most, size_t *count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(PE_FD_MESSAGE_MAX * sizeof(int))];
    } control = {0};
    struct iovec vector = {.iov_base = bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    *count = 0;
    ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *rights = n < 0 ? NULL : CMSG_FIRSTHDR(&message);
    if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS)
        *count = take(rights, fds, most);
    return n;
}
