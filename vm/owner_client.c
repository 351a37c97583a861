/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of commands to the owner of a VM. */
#include "base/cleanup.h"
#include "vm/owner.h"

#include <sys/socket.h>
#include <unistd.h>

void owner_drop(struct owner_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    *client = (struct owner_client){.fd = -1};
}

void owner_accept(struct owner *owner)
{
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t size = sizeof peer;
    pe_autoclose int fd = accept4(owner->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
        (peer.uid != geteuid() && peer.uid != 0))
        return;
    for (size_t i = 0; i < OWNER_CLIENTS_MAX; i++)
        if (owner->clients[i].fd < 0) {
            owner->clients[i] = (struct owner_client){.fd = pe_steal_fd(&fd)};
            return;
        }
}
