/* SPDX-License-Identifier: Apache-2.0 */
/* The socket between commands and the owner of a VM. */
#include "vm/talk.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "codec/utf8_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static int open_socket(const struct place *place, const struct vmname *name, struct sockaddr_un *address,
                       struct pe_error *err)
{
    char path[PLACE_FILE_MAX];
    place_file(place, name, "control.sock", path);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address->sun_path)
        return pe_fail(err, PE_ERR_INVALID, "the path %s is too long for a socket; use --run-dir", path);
    memcpy(address->sun_path, path, strlen(path) + 1);
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    return fd >= 0 ? fd : pe_fail_errno(err, "cannot make a socket");
}

int talk_listen(const struct place *place, const struct vmname *name, struct pe_error *err)
{
    struct sockaddr_un address;
    pe_autoclose int fd = open_socket(place, name, &address, err);
    if (fd < 0)
        return -1;
    unlink(address.sun_path);
    const mode_t before = umask(077);
    const int failed = bind(fd, (struct sockaddr *)&address, sizeof address);
    umask(before);
    if (failed || listen(fd, 16) < 0)
        return pe_fail_errno(err, "cannot listen on %s", address.sun_path);
    return pe_steal_fd(&fd);
}

/* No call on the socket waits longer than so many milliseconds; 0: for as long as it takes. */
static int set_patience(int socket, unsigned patience_ms, struct pe_error *err)
{
    const struct timeval limit = {.tv_sec = patience_ms / 1000, .tv_usec = patience_ms % 1000 * 1000L};
    if (setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0)
        return 0;
    return pe_fail_errno(err, "cannot bound the waits of a socket");
}

static int connect_within(const struct place *place, const struct vmname *name, unsigned patience_ms,
                          struct pe_error *err)
{
    struct sockaddr_un address;
    enum place_state state;
    if (place_find_state(place, name, &state, err) < 0)
        return -1;
    if (state != PLACE_RUNNING)
        return pe_fail(err, PE_ERR_INVALID, "the VM %s does not run (%s); `pe-vm boot %s` starts it",
                       name->text, place_state_name(state), name->text);
    pe_autoclose int fd = open_socket(place, name, &address, err);
    if (fd < 0 || set_patience(fd, patience_ms, err) < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return pe_steal_fd(&fd);
    return pe_fail_errno(err, "cannot connect to the owner of the VM %s", name->text);
}

int talk_connect(const struct place *place, const struct vmname *name, struct pe_error *err)
{
    return connect_within(place, name, 0, err);
}

int talk_send(int socket, json_t *json, struct pe_error *err)
{
    pe_autofree char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot encode a message");
    if (strlen(text) > TALK_PACKET_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the request has %zu bytes, more than %u", strlen(text),
                       TALK_PACKET_MAX);
    if (send(socket, text, strlen(text), MSG_NOSIGNAL) < 0)
        return pe_fail_errno(err, "cannot send a message");
    return 0;
}

/* The message may have bytes that a VMM has printed, or end within a character. JSON must be UTF-8. */
int talk_send_error(int socket, const struct pe_error *failure, struct pe_error *err)
{
    const struct pe_error sent = *failure; /* `err` may be the same */
    pe_autobuf struct pe_buf text = {0};
    if (pe_utf8_append_repaired(&text, sent.message, strlen(sent.message), err) < 0 ||
        pe_buf_append(&text, "", 1, err) < 0)
        return -1;
    return talk_send(socket,
                     json_pack("{s:s, s:i}", "error", (const char *)text.data, "kind", (int)sent.kind), err);
}

int talk_receive(int socket, json_t **json, struct pe_error *err)
{
    static char bytes[TALK_PACKET_MAX];
    ssize_t n = -1;
    while ((n = recv(socket, bytes, sizeof bytes, 0)) < 0 && errno == EINTR)
        ;
    if (n < 0 && errno == EAGAIN)
        return pe_fail(err, PE_ERR_LOST, "the other end did not answer in time");
    if (n <= 0)
        return pe_fail(err, PE_ERR_LOST, "the other end has ended without an answer");
    json_t *got = json_loadb(bytes, (size_t)n, 0, NULL);
    const char *failure = json_string_value(json_object_get(got, "error"));
    const int kind = (int)json_integer_value(json_object_get(got, "kind"));
    if (json_is_object(got) && !failure) {
        *json = got;
        return 0;
    }
    if (failure)
        pe_fail(err,
                kind >= PE_ERR_INTERNAL && kind <= PE_ERR_CANCELED ? (enum pe_error_kind)kind
                                                                   : PE_ERR_INTERNAL,
                "%s", failure);
    else
        pe_fail(err, PE_ERR_MALFORMED, "a message is not a JSON object");
    json_decref(got);
    return -1;
}

int talk_send_packet(int socket, enum talk_packet type, const void *bytes, size_t size)
{
    char first = (char)type;
    struct iovec parts[] = {{&first, 1}, {(void *)(uintptr_t)bytes, size}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int talk_ask_within(const struct place *place, const struct vmname *name, json_t *request,
                    unsigned patience_ms, json_t **answer, struct pe_error *err)
{
    pe_autoclose int fd = connect_within(place, name, patience_ms, err);
    if (fd < 0) {
        json_decref(request);
        return -1;
    }
    return talk_send(fd, request, err) < 0 ? -1 : talk_receive(fd, answer, err);
}

int talk_ask(const struct place *place, const struct vmname *name, json_t *request, json_t **answer,
             struct pe_error *err)
{
    return talk_ask_within(place, name, request, 0, answer, err);
}
