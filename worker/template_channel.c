/* SPDX-License-Identifier: Apache-2.0 */
/* The socket between slots and template server, and how a message with two descriptors travels over
 * it (unix(7), SCM_RIGHTS). Both ends are the same program, so a message is a plain struct. */
#include "worker/template_channel.h"

#include "base/cleanup.h"
#include "base/fd_message.h"
#include "worker/slot_helper.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Connections that the kernel keeps while the template server restarts. */
#define BACKLOG 128

#define DESCRIPTORS 2

static int make_address(const struct worker_config *config, struct sockaddr_un *address, struct pe_error *err)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int length = snprintf(address->sun_path, sizeof address->sun_path, "%s/templates", config->vm.run_dir);
    if (length < 0 || (size_t)length >= sizeof address->sun_path)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the path %s is too long for a socket below it; use --run-dir",
                       config->vm.run_dir);
    return 0;
}

static int open_socket(struct pe_error *err)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 ? fd : pe_fail_errno(err, "cannot create the socket for templates");
}

int template_channel_listen(const struct worker_config *config, struct pe_error *err)
{
    struct sockaddr_un address;
    pe_autoclose int fd = open_socket(err);
    if (fd < 0 || make_address(config, &address, err) < 0)
        return -1;
    unlink(address.sun_path);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || chmod(address.sun_path, 0600) < 0 ||
        listen(fd, BACKLOG) < 0)
        return pe_fail_errno(err, "cannot listen on %s", address.sun_path);
    return pe_steal_fd(&fd);
}

int template_channel_connect(const struct worker_config *config, struct pe_error *err)
{
    struct sockaddr_un address;
    if (config->helper)
        return slot_helper_connect_templates(config->helper, err);
    pe_autoclose int fd = open_socket(err);
    if (fd < 0 || make_address(config, &address, err) < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return pe_steal_fd(&fd);
    pe_fail_errno(err, "cannot connect to the template server at %s", address.sun_path);
    err->kind = PE_ERR_LOST;
    return -1;
}

int template_channel_send(int fd, const struct template_message *message, const struct vm_snapshot *snapshot,
                          struct pe_error *err)
{
    const int fds[DESCRIPTORS] = {snapshot ? snapshot->memory_fd : -1, snapshot ? snapshot->state_fd : -1};
    if (pe_fd_message_send(fd, message, sizeof *message, fds, snapshot ? DESCRIPTORS : 0) >= 0)
        return 0;
    return pe_fail_errno(err, "cannot send a message between slot and template server");
}

int template_channel_receive(int fd, struct template_message *message, struct vm_snapshot *snapshot,
                             struct pe_error *err)
{
    int fds[DESCRIPTORS];
    size_t count = 0;
    *snapshot = VM_SNAPSHOT_NONE;
    ssize_t n = pe_fd_message_receive(fd, message, sizeof *message, fds, DESCRIPTORS, &count);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n != (ssize_t)sizeof *message)
        return pe_fail(err, PE_ERR_LOST, "the connection between slot and template server has ended");
    message->image[sizeof message->image - 1] = '\0';
    message->identity[sizeof message->identity - 1] = '\0';
    if (count == DESCRIPTORS)
        *snapshot = (struct vm_snapshot){.memory_fd = fds[0], .state_fd = fds[1]};
    return 1;
}
