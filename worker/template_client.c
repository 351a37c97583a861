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
    return sendmsg(fd, &header, MSG_NOSIGNAL) >= 0 ? 0 : pe_fail_errno(err, "writing to a template link");
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
        return pe_fail(err, PE_ERR_LOST, "the other end of a template link is gone");
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

void template_link_close(struct template_link *link)
{
    pe_cleanup_close(&link->fd);
    *link = TEMPLATE_LINK_NONE;
}

/* A connection from before the other end was restarted is found dead at the first send: then once more. */
static int send_question(struct template_link *link, const struct worker_config *config,
                         const struct template_message *message, struct pe_error *err)
{
    if (link->fd >= 0 && template_send(link->fd, message, NULL, err) == 0)
        return 0;
    template_link_close(link);
    link->fd = connect_to(config, err);
    return link->fd < 0 ? -1 : template_send(link->fd, message, NULL, err);
}

static int ask(struct template_link *link, const struct worker_config *config,
               const struct template_message *message, struct pe_error *err)
{
    if (link->asked) /* its answer may be on the way: a new connection has no past */
        template_link_close(link);
    if (send_question(link, config, message, err) < 0) {
        template_link_close(link);
        return -1;
    }
    link->asked = true;
    return 0;
}

int template_ask(struct template_link *link, const struct worker_config *config, const char *image, bool now,
                 struct pe_error *err)
{
    struct template_message message = {.word = now ? TEMPLATE_WANT_NOW : TEMPLATE_WANT};
    snprintf(message.image, sizeof message.image, "%s", image);
    return ask(link, config, &message, err);
}

int template_ask_turn(struct template_link *link, const struct worker_config *config, struct pe_error *err)
{
    static const struct template_message message = {.word = TEMPLATE_TURN};
    return ask(link, config, &message, err);
}

int template_take(struct template_link *link, int wait_ms, struct vm_snapshot *snapshot, struct pe_error *err)
{
    struct template_message message;
    struct pollfd wait = {.fd = link->fd, .events = POLLIN};
    *snapshot = VM_SNAPSHOT_NONE;
    if (poll(&wait, 1, wait_ms) < 0 && errno != EINTR)
        return pe_fail_errno(err, "waiting for a template");
    int got = template_receive(link->fd, &message, snapshot, err);
    if (got < 0)
        template_link_close(link);
    if (got > 0) {
        link->asked = false;
        link->answered = true;
        memcpy(link->identity, message.identity, sizeof link->identity);
    }
    return got;
}

bool template_is_of(const struct template_link *link, const struct pe_image *image)
{
    return !strcmp(link->identity, image->identity);
}

void template_is_broken(struct template_link *link, const char *image)
{
    struct template_message message = {.word = TEMPLATE_BROKEN};
    struct pe_error ignored;
    snprintf(message.image, sizeof message.image, "%s", image);
    if (link->fd >= 0 && template_send(link->fd, &message, NULL, &ignored) < 0)
        template_link_close(link);
}

void template_done(struct template_link *link)
{
    static const struct template_message done = {.word = TEMPLATE_DONE};
    struct pe_error ignored;
    if (link->asked || (link->answered && template_send(link->fd, &done, NULL, &ignored) < 0))
        template_link_close(link);
    link->answered = false;
}
