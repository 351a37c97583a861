/* SPDX-License-Identifier: Apache-2.0 */
/* The upgrade of a connection to a WebSocket of the slot protocol. net/websocket_upgrade.h does what is the
 * same for every WebSocket. */
#ifndef PE_WORKER_BALANCER_UPGRADE_H
#define PE_WORKER_BALANCER_UPGRADE_H

#include "base/error.h"
#include "net/connection.h"

#include <stdint.h>

/* Ask for the upgrade at `path`, and wait for it. `token` is the bearer token, or "". No byte behind the
 * response is read. PE_ERR_LOST if nobody answers or the upgrade is refused, PE_ERR_INVALID if the token is
 * refused, PE_ERR_MALFORMED if the response is too long. `*date` is set to the time in a response (its field
 * Date), in seconds since 1970, or to 0. */
int balancer_upgrade(const struct pe_connection *connection, const char *path, const char *token,
                     int64_t *date, struct pe_error *err) PE_MUST_CHECK;

#endif
