/* SPDX-License-Identifier: Apache-2.0 */
/* How a slot talks to the template server. The messages are described in worker/template_channel.h.
 */
#include "worker/template_client.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "worker/template_channel.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

void template_client_close(struct template_client *client)
{
    pe_cleanup_close(&client->fd);
    *client = TEMPLATE_CLIENT_NONE;
}

/* A connection to a template server that has restarted since fails at the first send. A second
 * attempt uses a new connection. */
static int send_request(struct template_client *client, const struct worker_config *config,
                        const struct template_message *message, struct pe_error *err)
{
    if (client->fd >= 0 && template_channel_send(client->fd, message, NULL, err) == 0)
        return 0;
    template_client_close(client);
    client->fd = template_channel_connect(config, err);
    return client->fd < 0 ? -1 : template_channel_send(client->fd, message, NULL, err);
}

static int request(struct template_client *client, const struct worker_config *config,
                   const struct template_message *message, struct pe_error *err)
{
    /* The grant of an earlier request may be on its way. On a new connection it cannot arrive. */
    if (client->requested)
        template_client_close(client);
    if (send_request(client, config, message, err) < 0) {
        template_client_close(client);
        return -1;
    }
    client->requested = true;
    return 0;
}

int template_client_request_vm(struct template_client *client, const struct worker_config *config,
                               const char *image, bool now, struct pe_error *err)
{
    struct template_message message = {.kind = now ? TEMPLATE_REQUEST_VM_NOW : TEMPLATE_REQUEST_VM};
    snprintf(message.image, sizeof message.image, "%s", image);
    return request(client, config, &message, err);
}

int template_client_request_run(struct template_client *client, const struct worker_config *config,
                                struct pe_error *err)
{
    static const struct template_message message = {.kind = TEMPLATE_REQUEST_RUN};
    if (request(client, config, &message, err) < 0)
        return -1;
    client->asked = false;
    client->ask_us = pe_now_us() + TEMPLATE_ANSWER_MS * 1000ull;
    return 0;
}

static int ask(struct template_client *client, struct pe_error *err)
{
    static const struct template_message message = {.kind = TEMPLATE_ASK_RUN};
    if (client->asked)
        return pe_fail(err, PE_ERR_TIMEOUT, "the template server does not answer");
    if (template_channel_send(client->fd, &message, NULL, err) < 0)
        return -1;
    client->asked = true;
    client->ask_us = pe_now_us() + TEMPLATE_ANSWER_MS * 1000ull;
    return 0;
}

int template_client_go_on_waiting(struct template_client *client, uint64_t *again_us, struct pe_error *err)
{
    if (pe_now_us() >= client->ask_us && ask(client, err) < 0) {
        template_client_close(client);
        return -1;
    }
    *again_us = client->ask_us;
    return 0;
}

int template_client_receive(struct template_client *client, int wait_ms, struct vm_snapshot *snapshot,
                            struct pe_error *err)
{
    struct template_message message;
    struct pollfd wait = {.fd = client->fd, .events = POLLIN};
    *snapshot = VM_SNAPSHOT_NONE;
    if (poll(&wait, 1, wait_ms) < 0 && errno != EINTR)
        return pe_fail_errno(err, "cannot wait for the template server");
    int received = template_channel_receive(client->fd, &message, snapshot, err);
    if (received < 0)
        template_client_close(client);
    if (received <= 0)
        return received;
    if (message.kind == TEMPLATE_RUN_WAITS) {
        client->asked = false;
        return 0;
    }
    client->requested = false;
    client->granted = true;
    memcpy(client->identity, message.identity, sizeof client->identity);
    return 1;
}

bool template_client_matches(const struct template_client *client, const struct pe_image *image)
{
    return !strcmp(client->identity, image->identity);
}

void template_client_report_broken(struct template_client *client, const char *image)
{
    struct template_message message = {.kind = TEMPLATE_REPORT_BROKEN};
    struct pe_error ignored;
    snprintf(message.image, sizeof message.image, "%s", image);
    if (client->fd >= 0 && template_channel_send(client->fd, &message, NULL, &ignored) < 0)
        template_client_close(client);
}

void template_client_release(struct template_client *client)
{
    static const struct template_message release = {.kind = TEMPLATE_RELEASE};
    struct pe_error ignored;
    if (client->requested ||
        (client->granted && template_channel_send(client->fd, &release, NULL, &ignored) < 0))
        template_client_close(client);
    client->granted = false;
}
