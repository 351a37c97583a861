/* SPDX-License-Identifier: Apache-2.0 */
/* Sending file descriptors over a UNIX socket (SCM_RIGHTS, unix(7)). */
#ifndef PE_BASE_FD_MESSAGE_H
#define PE_BASE_FD_MESSAGE_H

#include <stddef.h>
#include <sys/types.h>

#define PE_FD_MESSAGE_MAX 2u /* descriptors in one message */

/* Send `size` bytes, together with `count` descriptors, at most PE_FD_MESSAGE_MAX. The caller keeps
 * its descriptors. Returns the number of bytes sent, or -1 with errno; there is no SIGPIPE. */
ssize_t pe_fd_message_send(int socket, const void *bytes, size_t size, const int *fds, size_t count);

#endif
