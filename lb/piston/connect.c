/* SPDX-License-Identifier: Apache-2.0 */
/* The connection says one sentence and closes. What the client sends is ignored. */
#include "lb/piston/connect.h"

#include <stdlib.h>

enum { CLOSE_NOTIFIED_ERROR = 4002 }; /* Piston: an error was sent */

static void ignore(struct ws_server *ws, const uint8_t *bytes, size_t size)
{
    (void)ws;
    (void)bytes;
    (void)size;
}

static void do_nothing(struct ws_server *ws)
{
    (void)ws;
}

static void on_room(struct ws_server *ws)
{
    if (ws_server_is_drained(ws))
        ws_server_close(ws, CLOSE_NOTIFIED_ERROR, "Notified Error");
}

static void on_closed(struct ws_server *ws)
{
    free(ws);
}

void piston_connect_refuse(struct ws_context *context, h2o_req_t *req, const char *client_key)
{
    static const struct ws_server_events events = {.on_text = ignore,
                                                   .on_bytes = ignore,
                                                   .on_room = on_room,
                                                   .on_tick = do_nothing,
                                                   .on_closed = on_closed};
    static const char text[] =
        "{\"type\":\"error\",\"message\":\"interactive jobs are not supported: use POST /api/v2/execute\"}";
    const struct pe_buf message = {.data = (uint8_t *)text, .size = sizeof text - 1};
    struct ws_server *ws = h2o_mem_alloc(sizeof *ws);
    ws_server_open(ws, context, req, client_key, &events);
    ws_server_send_text(ws, &message);
}
