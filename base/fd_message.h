/* SPDX-License-Identifier: Apache-2.0 */
/* Sending and receiving file descriptors over a UNIX socket (SCM_RIGHTS, unix(7)). */
#ifndef PE_BASE_FD_MESSAGE_H
#define PE_BASE_FD_MESSAGE_H

#include <stddef.h>
#include <sys/types.h>

#define PE_FD_MESSAGE_MAX 8u /* descriptors in one message */

/* Send `size` bytes, together with `count` descriptors, at most PE_FD_MESSAGE_MAX. The caller keeps
 * its descriptors. Returns the number of bytes sent, or -1 with errno; there is no SIGPIPE. */
ssize_t pe_fd_message_send(int socket, const void *bytes, size_t size, const int *fds, size_t count);

/* Receive one message of a SOCK_SEQPACKET socket: up to `size` bytes, and up to `most` descriptors
 * (at most PE_FD_MESSAGE_MAX), which are close-on-exec and belong to the caller. `*count` is their number;
 * any more are closed. Returns the number of bytes, 0 if the other end is closed, or -1 with errno. */
ssize_t pe_fd_message_receive(int socket, void *bytes, size_t size, int *fds, size_t most, size_t *count);

#endif
