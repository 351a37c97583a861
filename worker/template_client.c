/* The connection between a slot and the templates' process, both ends. */
#include "worker/template_client.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* A connection refused for longer than this is not worth a backlog. */
#define BACKLOG 128

static int address_of(const struct worker_config *config, struct sockaddr_un *address, struct pe_error *err)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int length = snprintf(address->sun_path, sizeof address->sun_path, "%s/templates", config->vm.run_dir);
    if (length < 0 || (size_t)length >= sizeof address->sun_path)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the path %s is too long for sockets below it",
                       config->vm.run_dir);
    return 0;
}

static int open_socket(struct pe_error *err)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 ? fd : pe_fail_errno(err, "socket for templates");
}

int template_listen(const struct worker_config *config, struct pe_error *err)
{
    struct sockaddr_un address;
    pe_autoclose int fd = open_socket(err);
    if (fd < 0 || address_of(config, &address, err) < 0)
        return -1;
    unlink(address.sun_path);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || chmod(address.sun_path, 0600) < 0 ||
        listen(fd, BACKLOG) < 0)
        return pe_fail_errno(err, "listening on %s", address.sun_path);
    return pe_steal_fd(&fd);
}

static int connect_to(const struct worker_config *config, struct pe_error *err)
{
    struct sockaddr_un address;
    pe_autoclose int fd = open_socket(err);
    if (fd < 0 || address_of(config, &address, err) < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return pe_steal_fd(&fd);
    pe_fail_errno(err, "%s", address.sun_path);
    err->kind = PE_ERR_LOST;
    return -1;
}

#define DESCRIPTORS 2

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
};

int template_send(int fd, const struct template_message *message, const struct vm_snapshot *snapshot,
                  struct pe_error *err)
{
    union control control = {0};
    struct iovec vector = {.iov_base = (void *)(uintptr_t)message, .iov_len = sizeof *message};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    if (snapshot) {
        const int fds[DESCRIPTORS] = {snapshot->memory_fd, snapshot->state_fd};
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof control.bytes;
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof fds);
        memcpy(CMSG_DATA(rights), fds, sizeof fds);
    }
    return sendmsg(fd, &header, MSG_NOSIGNAL) >= 0 ? 0 : pe_fail_errno(err, "writing to a template client");
}

int template_receive(int fd, struct template_message *message, struct vm_snapshot *snapshot,
                     struct pe_error *err)
{
    union control control;
    struct iovec vector = {.iov_base = message, .iov_len = sizeof *message};
    struct msghdr header = {.msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes};
    *snapshot = VM_SNAPSHOT_NONE;
    ssize_t n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n != (ssize_t)sizeof *message)
        return pe_fail(err, PE_ERR_LOST, "the other end of a template client is gone");
    message->image[sizeof message->image - 1] = '\0';
    message->identity[sizeof message->identity - 1] = '\0';
    const struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    if (rights && rights->cmsg_len == CMSG_LEN(DESCRIPTORS * sizeof(int))) {
        int fds[DESCRIPTORS];
        memcpy(fds, CMSG_DATA(rights), sizeof fds);
        *snapshot = (struct vm_snapshot){.memory_fd = fds[0], .state_fd = fds[1]};
    }
    return 1;
}

/* ---- the slot's end ---- */

void template_client_close(struct template_client *client)
{
    pe_cleanup_close(&client->fd);
    *client = TEMPLATE_CLIENT_NONE;
}

/* A connection from before the other end was restarted is found dead at the first send: then once more. */
static int send_question(struct template_client *client, const struct worker_config *config,
                         const struct template_message *message, struct pe_error *err)
{
    if (client->fd >= 0 && template_send(client->fd, message, NULL, err) == 0)
        return 0;
    template_client_close(client);
    client->fd = connect_to(config, err);
    return client->fd < 0 ? -1 : template_send(client->fd, message, NULL, err);
}

static int ask(struct template_client *client, const struct worker_config *config,
               const struct template_message *message, struct pe_error *err)
{
    if (client->asked) /* its answer may be on the way: a new connection has no past */
        template_client_close(client);
    if (send_question(client, config, message, err) < 0) {
        template_client_close(client);
        return -1;
    }
    client->asked = true;
    return 0;
}

int template_client_request_vm(struct template_client *client, const struct worker_config *config,
                               const char *image, bool now, struct pe_error *err)
{
    struct template_message message = {.word = now ? TEMPLATE_REQUEST_VM_NOW : TEMPLATE_REQUEST_VM};
    snprintf(message.image, sizeof message.image, "%s", image);
    return ask(client, config, &message, err);
}

int template_client_request_run(struct template_client *client, const struct worker_config *config,
                                struct pe_error *err)
{
    static const struct template_message message = {.word = TEMPLATE_REQUEST_RUN};
    return ask(client, config, &message, err);
}

int template_client_receive(struct template_client *client, int wait_ms, struct vm_snapshot *snapshot,
                            struct pe_error *err)
{
    struct template_message message;
    struct pollfd wait = {.fd = client->fd, .events = POLLIN};
    *snapshot = VM_SNAPSHOT_NONE;
    if (poll(&wait, 1, wait_ms) < 0 && errno != EINTR)
        return pe_fail_errno(err, "waiting for a template");
    int got = template_receive(client->fd, &message, snapshot, err);
    if (got < 0)
        template_client_close(client);
    if (got > 0) {
        client->asked = false;
        client->answered = true;
        memcpy(client->identity, message.identity, sizeof client->identity);
    }
    return got;
}

bool template_client_matches(const struct template_client *client, const struct pe_image *image)
{
    return !strcmp(client->identity, image->identity);
}

void template_client_report_broken(struct template_client *client, const char *image)
{
    struct template_message message = {.word = TEMPLATE_REPORT_BROKEN};
    struct pe_error ignored;
    snprintf(message.image, sizeof message.image, "%s", image);
    if (client->fd >= 0 && template_send(client->fd, &message, NULL, &ignored) < 0)
        template_client_close(client);
}

void template_client_release(struct template_client *client)
{
    static const struct template_message done = {.word = TEMPLATE_RELEASE};
    struct pe_error ignored;
    if (client->asked || (client->answered && template_send(client->fd, &done, NULL, &ignored) < 0))
        template_client_close(client);
    client->answered = false;
}
