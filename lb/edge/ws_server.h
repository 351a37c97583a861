/* One WebSocket connection from a worker: admission, messages both ways, pings, silence, closing. What the
 * messages mean is its owner's business (lb/workers/registration.c, lb/workers/slot_conn.c). */
#ifndef PE_LB_EDGE_WS_SERVER_H
#define PE_LB_EDGE_WS_SERVER_H

#include "base/buffer.h"
#include "lb/edge/h2o.h"
#include "lb/server.h"

#include <stdbool.h>
#include <stdint.h>

struct ws_server;

/* Called from the event loop; none of them may free the link except on_closed. */
struct ws_server_events {
    void (*on_text)(struct ws_server *ws, const uint8_t *text, size_t size);
    void (*on_bytes)(struct ws_server *ws, const uint8_t *bytes, size_t size);
    void (*on_room)(struct ws_server *ws);   /* ws_server_has_room again */
    void (*on_tick)(struct ws_server *ws);   /* every PE_SLOT_PING_MS */
    void (*on_closed)(struct ws_server *ws); /* the last call: the embedding struct ends here */
};

/* Embedded in its owner. */
struct ws_server {
    struct server *server;
    const struct ws_server_events *events;
    h2o_websocket_conn_t *conn;
    h2o_timeout_entry_t flush, tick;
    uint64_t heard_ms;          /* when bytes came last, by the loop's clock */
    uint64_t close_by_us;       /* closing: when patience with the other side's close ends */
    bool closing;               /* no more messages are delivered */
    bool *ended;                /* set when the link ends under a caller that needs to know */
    struct pe_buf out, sending; /* frames for the next write, and those that libh2o is writing */
};

/* Whether the request carries the workers' token. False: answered with a problem. */
bool ws_server_authorize(struct server *server, h2o_req_t *req);

/* Check a handshake and the worker's token. True: go on with ws_server_open. False: answered with a problem.
 */
bool ws_server_admit(struct server *server, h2o_req_t *req, const char **client_key);

/* Upgrade the request's connection; from now on `link` lives until on_closed. */
void ws_server_open(struct ws_server *ws, struct server *server, h2o_req_t *req, const char *client_key,
                    const struct ws_server_events *events);

/* Queue a message; it is sent from the loop, never from within the call. On a closing link nothing happens.
 */
void ws_server_send_text(struct ws_server *ws, const struct pe_buf *text);
void ws_server_send_bytes(struct ws_server *ws, const void *bytes, size_t size);

/* Whether more should be queued now: a few messages are, so that the connection never runs dry. */
bool ws_server_has_room(const struct ws_server *ws);

/* Begin to close with a WebSocket status code and a reason for the other side's log. */
void ws_server_close(struct ws_server *ws, uint16_t code, const char *reason);

/* End the connection without courtesy. on_closed comes from the loop. */
void ws_server_kill(struct ws_server *ws);

#endif
