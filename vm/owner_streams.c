/* SPDX-License-Identifier: Apache-2.0 */
/* Passing bytes between clients, the agent and the console. */
#include "base/cleanup.h"
#include "base/io.h"
#include "vm/owner.h"
#include "vm/talk.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DRAIN_MS 5000

static struct owner_client *find(struct owner *owner, enum owner_role role)
{
    for (size_t i = 0; i < OWNER_CLIENTS_MAX; i++)
        if (owner->clients[i].fd >= 0 && owner->clients[i].role == role)
            return &owner->clients[i];
    return NULL;
}

/* ---- commands in the guest ---- */

static int collect_arguments(const json_t *words, struct pe_buf *arguments, struct pe_error *err)
{
    size_t index;
    const json_t *word;
    arguments->limit = AGENT_ARGUMENTS_MAX;
    json_array_foreach(words, index, word)
    {
        const char *text = json_string_value(word);
        if (!text)
            return pe_fail(err, PE_ERR_MALFORMED, "a word of the command is not a text");
        if (pe_buf_append(arguments, text, strlen(text) + 1, err) < 0)
            return pe_fail_context(err, "the command is too long");
    }
    return arguments->size ? 0 : pe_fail(err, PE_ERR_INVALID, "the command has no words");
}

/* A command that was killed a moment ago still has to end. */
static void drain(struct owner *owner)
{
    const uint64_t deadline_us = pe_now_us() + DRAIN_MS * 1000ull;
    while (owner->draining && owner->agent.fd >= 0 && pe_now_us() < deadline_us) {
        struct pollfd wait = {.fd = owner->agent.fd, .events = agent_link_events(&owner->agent, true)};
        if (poll(&wait, 1, DRAIN_MS) > 0)
            owner_use_agent(owner, wait.revents);
    }
}

int owner_execute(struct owner *owner, struct owner_client *client, const json_t *request,
                  struct pe_error *err)
{
    pe_autobuf struct pe_buf arguments = {0};
    if (collect_arguments(json_object_get(request, "words"), &arguments, err) < 0)
        return -1;
    if (!owner->agent.present)
        return pe_fail(
            err, PE_ERR_INVALID,
            "no agent has answered in the guest: it boots still (`pe-vm boot --wait` waits for it), or has "
            "no pe-agent");
    drain(owner);
    if (find(owner, OWNER_EXECS) || owner->draining)
        return pe_fail(err, PE_ERR_BUSY, "another command runs in the guest");
    if (agent_link_execute(&owner->agent, arguments.data, arguments.size, err) < 0)
        return -1;
    client->role = OWNER_EXECS;
    return 0;
}

/* The command is killed when nobody waits for it any more. */
static void leave_command(struct owner *owner, struct owner_client *client)
{
    struct pe_error ignored;
    owner->draining = true;
    (void)!agent_link_send(&owner->agent, AGENT_KILL, NULL, 0, &ignored);
    owner_drop(client);
}

static void pass_to_client(struct owner *owner, enum talk_packet type, const struct agent_frame *frame)
{
    struct owner_client *client = find(owner, OWNER_EXECS);
    if (client && talk_send_packet(client->fd, type, frame->payload, frame->size) < 0)
        leave_command(owner, client);
}

static void end_command(struct owner *owner, const struct agent_frame *frame)
{
    struct owner_client *client = find(owner, OWNER_EXECS);
    owner->draining = false;
    if (!client)
        return;
    (void)!talk_send_packet(client->fd, TALK_EXIT, frame->payload, frame->size);
    owner_drop(client);
}

/* An agent that was started again has lost its command. */
static void greet(struct owner *owner, bool begins)
{
    struct owner_client *client;
    struct pe_error ignored;
    owner->agent.present = true;
    while ((client = find(owner, OWNER_AWAITS))) {
        (void)!talk_send(client->fd, json_object(), &ignored);
        owner_drop(client);
    }
    if (!begins)
        return;
    owner->draining = false;
    if ((client = find(owner, OWNER_EXECS)))
        owner_drop(client);
}

static void receive(struct owner *owner, const struct agent_frame *frame)
{
    switch (frame->type) {
    case AGENT_HELLO:
        greet(owner, frame->size > 0);
        break;
    case AGENT_OUTPUT:
        pass_to_client(owner, TALK_OUTPUT, frame);
        break;
    case AGENT_ERRORS:
        pass_to_client(owner, TALK_ERRORS, frame);
        break;
    case AGENT_ACCEPTED:
        pass_to_client(owner, TALK_ACCEPTED, frame);
        break;
    case AGENT_EXIT:
        end_command(owner, frame);
        break;
    default:
        break;
    }
}

/* A socket that is ready takes the packet of a whole frame, so the owner never waits for a client. One whose
 * other end is closed is ready, too. */
static bool is_ready(int socket)
{
    struct pollfd wait = {.fd = socket, .events = POLLOUT};
    return poll(&wait, 1, 0) != 0;
}

bool owner_pass_frames(struct owner *owner)
{
    struct agent_frame frame;
    for (;;) {
        const struct owner_client *client = find(owner, OWNER_EXECS);
        if (client && !is_ready(client->fd))
            return owner->agent.received.size > 0;
        if (!agent_frame_take(&owner->agent.received, &frame))
            return false;
        receive(owner, &frame);
    }
}

void owner_drop_command(struct owner *owner)
{
    struct owner_client *client = find(owner, OWNER_EXECS);
    if (client)
        owner_drop(client);
}

void owner_use_agent(struct owner *owner, short events)
{
    struct pe_error ignored;
    if (((events & POLLOUT) && agent_link_flush(&owner->agent, &ignored) < 0) ||
        ((events & ~POLLOUT) && agent_link_read(&owner->agent, &ignored) < 0)) {
        owner->agent.fd = -1; /* the VM ends */
        return;
    }
    owner_pass_frames(owner);
}

/* ---- the console ---- */

bool owner_read_console(struct owner *owner)
{
    char bytes[4096];
    const ssize_t n = console_read(&owner->console, bytes, sizeof bytes);
    if (n < 0)
        owner->console.port = -1;
    for (size_t i = 0; n > 0 && i < OWNER_CLIENTS_MAX; i++) {
        struct owner_client *client = &owner->clients[i];
        const char type = TALK_OUTPUT;
        char packet[1 + sizeof bytes];
        if (client->fd < 0 || client->role != OWNER_FOLLOWS)
            continue;
        packet[0] = type;
        memcpy(packet + 1, bytes, (size_t)n);
        /* A reader that is too slow misses something; the file has it. */
        if (send(client->fd, packet, (size_t)n + 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
            owner_drop(client);
    }
    return n > 0;
}

/* ---- from clients ---- */

static void pass_to_agent(struct owner *owner, char type, const char *bytes, size_t size)
{
    struct pe_error ignored;
    if (type == TALK_INPUT && size <= TALK_PIECE_MAX)
        (void)!agent_link_send(&owner->agent, AGENT_INPUT, bytes, size, &ignored);
    else if (type == TALK_INPUT_END)
        (void)!agent_link_send(&owner->agent, AGENT_INPUT_END, NULL, 0, &ignored);
    else if (type == TALK_KILL)
        (void)!agent_link_send(&owner->agent, AGENT_KILL, NULL, 0, &ignored);
}

void owner_read_client(struct owner *owner, struct owner_client *client)
{
    char packet[1 + TALK_PIECE_MAX];
    const ssize_t n = recv(client->fd, packet, sizeof packet, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 && client->role == OWNER_EXECS)
        leave_command(owner, client);
    else if (n <= 0)
        owner_drop(client);
    else if (client->role == OWNER_EXECS)
        pass_to_agent(owner, packet[0], packet + 1, (size_t)n - 1);
    else if (client->role == OWNER_FOLLOWS && !owner->console.is_file && owner->console.port >= 0)
        (void)!write(owner->console.port, packet + 1, (size_t)n - 1);
}
