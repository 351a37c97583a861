/* SPDX-License-Identifier: Apache-2.0 */
/* Requests, grants and releases of permits. Nothing here starts a VM or makes a template, so a job
 * that waits for a VM always gets an answer at once. */
#include "worker/admission.h"

#include "base/io.h"
#include "worker/template_channel.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void admission_init(struct admission *admission, const struct worker_config *config,
                    struct template_cache *cache)
{
    *admission = (struct admission){.config = config, .cache = cache};
}

static pid_t peer_of(int fd)
{
    struct ucred peer = {.pid = 0};
    socklen_t size = sizeof peer;
    (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    return peer.pid;
}

static bool has_room_for(const struct admission *admission, pid_t pid)
{
    unsigned count = 0;
    for (size_t i = 0; i < admission->count; i++)
        count += admission->clients[i].pid == pid;
    return count < ADMISSION_CLIENTS_OF_A_PROCESS && admission->count < ADMISSION_CLIENTS_MAX;
}

void admission_accept(struct admission *admission)
{
    int fd = accept4(admission->config->templates.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    pid_t pid = fd < 0 ? 0 : peer_of(fd);
    if (fd >= 0 && has_room_for(admission, pid))
        admission->clients[admission->count++] = (struct admission_client){.fd = fd, .pid = pid};
    else if (fd >= 0)
        close(fd);
}

/* ---- requests ---- */

static size_t count_state(const struct admission *admission, enum permit_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < admission->count; i++)
        n += admission->clients[i].state == state;
    return n;
}

/* The client in `state` whose request is the oldest of those after `after_us`; NULL if there is
 * none. */
static struct admission_client *oldest_request(struct admission *admission, enum permit_state state,
                                               uint64_t after_us)
{
    struct admission_client *oldest = NULL;
    for (size_t i = 0; i < admission->count; i++) {
        struct admission_client *one = &admission->clients[i];
        if (one->state == state && one->requested_us > after_us &&
            (!oldest || one->requested_us < oldest->requested_us))
            oldest = one;
    }
    return oldest;
}

/* The time, but never the same twice, so that requests have an order. */
static uint64_t next_tick(void)
{
    static uint64_t last_us;
    uint64_t now = pe_now_us();
    last_us = now > last_us ? now : last_us + 1;
    return last_us;
}

/* ---- grants ---- */

/* If the message cannot be sent, the client is gone. Its connection is then closed at the next
 * poll. */
static void grant_vm(struct admission_client *client, enum template_availability availability,
                     const struct template *template)
{
    bool clone = availability == TEMPLATE_LOADED;
    struct template_message message = {.kind = clone ? TEMPLATE_GRANT_CLONE : TEMPLATE_GRANT_BOOT};
    struct pe_error ignored;
    if (clone)
        memcpy(message.identity, template->identity, sizeof message.identity);
    int failed = template_channel_send(client->fd, &message, clone ? &template->snapshot : NULL, &ignored);
    client->state = failed ? PERMIT_NONE : PERMIT_VM_GRANTED;
}

static void grant_vms(struct admission *admission)
{
    uint64_t after_us = 0;
    struct admission_client *client = NULL;
    while (count_state(admission, PERMIT_VM_GRANTED) < admission->config->warm.refills &&
           (client = oldest_request(admission, PERMIT_VM_REQUESTED, after_us))) {
        const struct template *template = NULL;
        enum template_availability availability =
            template_cache_lookup(admission->cache, client->image, &template);
        after_us = client->requested_us;
        if (availability != TEMPLATE_PENDING)
            grant_vm(client, availability, template);
    }
}

static void grant_runs(struct admission *admission)
{
    static const struct template_message grant = {.kind = TEMPLATE_GRANT_RUN};
    struct pe_error ignored;
    struct admission_client *client = NULL;
    while (count_state(admission, PERMIT_RUN_GRANTED) < admission->config->slots &&
           (client = oldest_request(admission, PERMIT_RUN_REQUESTED, 0))) {
        int failed = template_channel_send(client->fd, &grant, NULL, &ignored);
        client->state = failed ? PERMIT_NONE : PERMIT_RUN_GRANTED;
    }
}

void admission_grant(struct admission *admission)
{
    grant_vms(admission);
    grant_runs(admission);
}

/* ---- messages ---- */

/* A job that waits gets its permit at once: a clone if the template is loaded, otherwise a boot. */
static void on_request_vm(struct admission *admission, struct admission_client *client,
                          const struct template_message *message)
{
    client->requested_us = next_tick();
    client->state = PERMIT_VM_REQUESTED;
    memcpy(client->image, message->image, sizeof client->image);
    if (message->kind != TEMPLATE_REQUEST_VM_NOW)
        return;
    const struct template *template = NULL;
    enum template_availability availability =
        template_cache_lookup(admission->cache, client->image, &template);
    grant_vm(client, availability, template);
}

/* If it has the permit already, the grant is on its way, and answers the question. */
static void say_that_it_waits(const struct admission_client *client)
{
    static const struct template_message waits = {.kind = TEMPLATE_RUN_WAITS};
    struct pe_error ignored;
    if (client->state == PERMIT_RUN_REQUESTED)
        (void)!template_channel_send(client->fd, &waits, NULL, &ignored); /* it asks again if this fails */
}

static void on_message(struct admission *admission, struct admission_client *client,
                       const struct template_message *message)
{
    switch (message->kind) {
    case TEMPLATE_REQUEST_VM:
    case TEMPLATE_REQUEST_VM_NOW:
        on_request_vm(admission, client, message);
        break;
    case TEMPLATE_REQUEST_RUN:
        client->requested_us = next_tick();
        client->state = PERMIT_RUN_REQUESTED;
        break;
    case TEMPLATE_ASK_RUN:
        say_that_it_waits(client);
        break;
    case TEMPLATE_RELEASE:
        client->state = PERMIT_NONE;
        break;
    case TEMPLATE_REPORT_BROKEN:
        template_cache_report_broken(admission->cache, message->image);
        break;
    case TEMPLATE_GRANT_CLONE:
    case TEMPLATE_GRANT_BOOT:
    case TEMPLATE_GRANT_RUN:
    case TEMPLATE_RUN_WAITS: /* sent by this process only */
        break;
    }
}

/* Returns false if the connection has ended. */
static bool receive_message(struct admission *admission, struct admission_client *client)
{
    struct template_message message;
    struct vm_snapshot unexpected;
    struct pe_error ignored;
    int received = template_channel_receive(client->fd, &message, &unexpected, &ignored);
    vm_snapshot_close(&unexpected);
    if (received > 0)
        on_message(admission, client, &message);
    return received >= 0;
}

static void forget_client(struct admission *admission, struct admission_client *client)
{
    close(client->fd);
    *client = admission->clients[--admission->count];
}

size_t admission_list_fds(const struct admission *admission, struct pollfd *fds)
{
    for (size_t i = 0; i < admission->count; i++)
        fds[i] = (struct pollfd){.fd = admission->clients[i].fd, .events = POLLIN};
    return admission->count;
}

/* From the last to the first, because forgetting a client moves the last one into its place. */
void admission_dispatch(struct admission *admission, const struct pollfd *fds)
{
    for (size_t i = admission->count; i-- > 0;)
        if (fds[i].revents && !receive_message(admission, &admission->clients[i]))
            forget_client(admission, &admission->clients[i]);
}
