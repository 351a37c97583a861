/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker adds to the request for an upgrade, and what a refusal means to it. */
#include "worker/balancer_upgrade.h"

#include "base/buffer.h"
#include "net/websocket_upgrade.h"
#include "proto/slot.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int check_response(const struct pe_upgrade_response *response, struct pe_error *err)
{
    if (response->is_upgraded)
        return 0;
    if (response->status == 401)
        return pe_fail(err, PE_ERR_INVALID,
                       "the balancer refuses the token, which is wrong or was revoked; see --token-file");
    return pe_fail(err, PE_ERR_LOST, "the balancer refuses the upgrade: %.*s",
                   (int)strcspn(response->head, "\r\n"), response->head);
}

/* The field Date (RFC 9110 section 6.6.1); 0 if there is none. */
static int64_t date_of(const char *head)
{
    char text[64];
    size_t size = 0;
    const char *value = pe_upgrade_field(head, "date", &size);
    snprintf(text, sizeof text, "%.*s", value && size < sizeof text ? (int)size : 0, value ? value : "");
    const time_t date = curl_getdate(text, NULL);
    return date > 0 ? date : 0;
}

int balancer_upgrade(const struct pe_connection *connection, const char *path, const char *token,
                     int64_t *date, struct pe_error *err)
{
    *date = 0;
    pe_autobuf struct pe_buf headers = {0};
    struct pe_upgrade_response response;
    if (pe_buf_printf(&headers, err, "Sec-WebSocket-Protocol: %s\r\n%s%s%s", PE_SLOT_SUBPROTOCOL,
                      token[0] ? "Authorization: Bearer " : "", token, token[0] ? "\r\n" : "") < 0)
        return -1;
    const struct pe_upgrade upgrade = {
        .path = path, .host = "balancer", .headers = (const char *)headers.data, .peer = "the balancer"};
    if (pe_websocket_upgrade(connection, &upgrade, &response, err) < 0)
        return -1;
    *date = date_of(response.head);
    return check_response(&response, err);
}
