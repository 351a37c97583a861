/* SPDX-License-Identifier: Apache-2.0 */
/* Talking to the agent in a guest. */
#include "vm/agent_link.h"

#include "base/io.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define UNSENT_MAX (1u << 20)
#define RECEIVED_MAX (1u << 20)

void agent_link_free(struct agent_link *link)
{
    pe_buf_free(&link->received);
    pe_buf_free(&link->unsent);
}

int agent_link_flush(struct agent_link *link, struct pe_error *err)
{
    while (link->unsent.size) {
        const ssize_t n = write(link->fd, link->unsent.data, link->unsent.size);
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n < 0 && errno != EINTR)
            return pe_fail(err, PE_ERR_LOST, "the VM has ended");
        if (n > 0)
            pe_buf_consume(&link->unsent, (size_t)n);
    }
    return 0;
}

short agent_link_events(const struct agent_link *link, bool reads)
{
    return (short)((reads ? POLLIN : 0) | (link->unsent.size ? POLLOUT : 0));
}

int agent_link_send(struct agent_link *link, enum agent_message type, const void *payload, size_t size,
                    struct pe_error *err)
{
    if (link->unsent.size > UNSENT_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the guest does not read what is sent to its agent");
    if (agent_frame_put(&link->unsent, type, payload, size, err) < 0)
        return -1;
    return agent_link_flush(link, err);
}

int agent_link_execute(struct agent_link *link, const void *arguments, size_t size, struct pe_error *err)
{
    const uint8_t *at = arguments;
    if (size > AGENT_ARGUMENTS_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the arguments of the command have more than %u bytes",
                       AGENT_ARGUMENTS_MAX);
    for (size_t left = size; left;) {
        const size_t piece = left < AGENT_PAYLOAD_MAX ? left : AGENT_PAYLOAD_MAX;
        if (agent_link_send(link, AGENT_ARGUMENTS, at, piece, err) < 0)
            return -1;
        at += piece;
        left -= piece;
    }
    return agent_link_send(link, AGENT_EXECUTE, NULL, 0, err);
}

int agent_link_read(struct agent_link *link, struct pe_error *err)
{
    uint8_t bytes[16384];
    const ssize_t n = read(link->fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return pe_fail(err, PE_ERR_LOST, "the VM has ended");
    link->received.limit = RECEIVED_MAX;
    return pe_buf_append(&link->received, bytes, (size_t)n, err);
}

static void read_console(struct console *console)
{
    char bytes[4096];
    if (console_read(console, bytes, sizeof bytes) < 0)
        console->port = -1;
}

/* Wait for the next message. */
static int await(struct agent_link *link, uint64_t deadline_us, struct agent_frame *frame,
                 struct pe_error *err)
{
    while (!agent_frame_take(&link->received, frame)) {
        const uint64_t now = pe_now_us();
        struct pollfd wait[] = {{.fd = link->fd, .events = agent_link_events(link, true)},
                                {.fd = link->console ? link->console->port : -1, .events = POLLIN}};
        if (now >= deadline_us || poll(wait, 2, (int)((deadline_us - now) / 1000) + 1) == 0)
            return pe_fail(err, PE_ERR_TIMEOUT, "the agent in the guest did not answer in time");
        if (link->console && wait[1].revents)
            read_console(link->console);
        if (((wait[0].revents & POLLOUT) && agent_link_flush(link, err) < 0) ||
            ((wait[0].revents & ~POLLOUT) && agent_link_read(link, err) < 0))
            return -1;
    }
    return 0;
}

static int await_hello(struct agent_link *link, uint64_t deadline_us, struct pe_error *err)
{
    struct agent_frame frame;
    while (!link->present) {
        if (await(link, deadline_us, &frame, err) < 0)
            return -1;
        link->present = frame.type == AGENT_HELLO;
    }
    return 0;
}

static int await_exit(struct agent_link *link, uint64_t deadline_us, struct pe_error *err)
{
    struct agent_frame frame;
    char text[400] = "";
    size_t length = 0;
    do {
        if (await(link, deadline_us, &frame, err) < 0)
            return -1;
        if (frame.type == AGENT_OUTPUT || frame.type == AGENT_ERRORS) {
            const size_t room = sizeof text - 1 - length;
            const size_t more = frame.size < room ? frame.size : room;
            memcpy(text + length, frame.payload, more);
            length += more;
        }
    } while (frame.type != AGENT_EXIT);
    if (frame.size >= 2 && frame.payload[0] == AGENT_EXITED && frame.payload[1] == 0)
        return 0;
    return pe_fail(err, PE_ERR_INTERNAL, "a command in the guest failed: %s", text);
}

int agent_link_run(struct agent_link *link, const char *const *words, uint64_t deadline_us,
                   struct pe_error *err)
{
    pe_autobuf struct pe_buf arguments = {0};
    for (; *words; words++)
        if (pe_buf_append(&arguments, *words, strlen(*words) + 1, err) < 0)
            return -1;
    if (await_hello(link, deadline_us, err) < 0 ||
        agent_link_execute(link, arguments.data, arguments.size, err) < 0)
        return -1;
    return await_exit(link, deadline_us, err);
}
