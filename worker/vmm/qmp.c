/* SPDX-License-Identifier: Apache-2.0 */
/* A blocking QMP client with a deadline. It implements the protocol; qemu.c decides what to send.
 */
#include "worker/vmm/qmp.h"

#include "base/cleanup.h"
#include "base/fd_message.h"
#include "base/io.h"
#include "proto/job_spec.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define LINE_MAX_BYTES (256u * 1024u)

void qmp_free(struct qmp *qmp)
{
    pe_buf_free(&qmp->received);
}

static int receive_more(struct qmp *qmp, struct pe_error *err)
{
    uint64_t now = pe_now_us();
    struct pollfd wait = {.fd = qmp->fd, .events = POLLIN};
    int ready = now >= qmp->deadline_us ? 0 : poll(&wait, 1, (int)((qmp->deadline_us - now) / 1000) + 1);
    if (ready < 0 && errno == EINTR)
        return 0;
    if (ready == 0)
        return pe_fail(err, PE_ERR_TIMEOUT, "QEMU does not answer");
    char bytes[4096];
    ssize_t n = recv(qmp->fd, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EINTR)
        return 0;
    if (n <= 0)
        return pe_fail(err, PE_ERR_LOST, "QEMU ended");
    if (qmp->received.size + (size_t)n > LINE_MAX_BYTES)
        return pe_fail(err, PE_ERR_MALFORMED, "QEMU sent a line of more than %u bytes", LINE_MAX_BYTES);
    return pe_buf_append(&qmp->received, bytes, (size_t)n, err);
}

/* Read the next message. Returns NULL on failure. */
static json_t *receive(struct qmp *qmp, struct pe_error *err)
{
    const uint8_t *newline = NULL;
    while (!qmp->received.size || !(newline = memchr(qmp->received.data, '\n', qmp->received.size)))
        if (receive_more(qmp, err) < 0)
            return NULL;
    size_t length = (size_t)(newline - qmp->received.data) + 1;
    json_t *message = json_loadb((const char *)qmp->received.data, length, 0, NULL);
    pe_buf_consume(&qmp->received, length);
    if (!json_is_object(message)) {
        json_decref(message);
        pe_fail(err, PE_ERR_MALFORMED, "QEMU sent a line that is not QMP");
        return NULL;
    }
    return message;
}

static int send_all(const struct qmp *qmp, const char *text, int fd, struct pe_error *err)
{
    const size_t size = strlen(text);
    ssize_t n = pe_fd_message_send(qmp->fd, text, size, &fd, fd >= 0 ? 1 : 0);
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
        return pe_fail(err, PE_ERR_LOST, "QEMU ended");
    if (n < 0)
        return pe_fail_errno(err, "cannot write to QEMU");
    return n == (ssize_t)size ? 0 : pe_fail(err, PE_ERR_LOST, "QEMU does not read");
}

static int read_reply(const char *command, json_t *message, json_t **value, struct pe_error *err)
{
    const char *sentence = json_string_value(json_object_get(json_object_get(message, "error"), "desc"));
    json_t *returned = json_object_get(message, "return");
    if (!returned)
        return pe_fail(err, PE_ERR_INTERNAL, "QEMU refuses %s: %.300s", command,
                       sentence ? sentence : "without a reason");
    if (value)
        *value = json_incref(returned);
    return 0;
}

int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, int fd, json_t **value,
                struct pe_error *err)
{
    pe_autojson json_t *request = json_pack("{s:s, s:o}", "execute", command, "arguments", arguments);
    pe_autofree char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot encode %s", command);
    if (send_all(qmp, text, fd, err) < 0)
        return -1;
    for (;;) {
        pe_autojson json_t *message = receive(qmp, err);
        if (!message)
            return pe_fail_context(err, "%s", command);
        const char *event = json_string_value(json_object_get(message, "event"));
        if (!event)
            return read_reply(command, message, value, err);
        qmp->resumed |= !strcmp(event, "RESUME");
    }
}

int qmp_execute_plain(struct qmp *qmp, const char *command, json_t **value, struct pe_error *err)
{
    return qmp_execute(qmp, command, json_object(), -1, value, err);
}

int qmp_begin(struct qmp *qmp, struct pe_error *err)
{
    pe_autojson json_t *greeting = receive(qmp, err);
    if (!greeting)
        return -1;
    if (!json_object_get(greeting, "QMP"))
        return pe_fail(err, PE_ERR_MALFORMED, "QEMU sent no greeting");
    return qmp_execute_plain(qmp, "qmp_capabilities", NULL, err);
}

int qmp_await_resume(struct qmp *qmp, struct pe_error *err)
{
    while (!qmp->resumed) {
        pe_autojson json_t *message = receive(qmp, err);
        if (!message)
            return pe_fail_context(err, "cannot wait for the clone to run");
        const char *event = json_string_value(json_object_get(message, "event"));
        qmp->resumed = event && !strcmp(event, "RESUME");
    }
    return 0;
}
