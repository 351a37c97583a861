/* One WebSocket connection from a worker: admission, messages both ways, pings, silence, closing. What the
 * messages mean is its owner's business (lb/workers/registration.c, lb/workers/slot_conn.c). */
#ifndef PE_LB_EDGE_WS_SERVER_H
#define PE_LB_EDGE_WS_SERVER_H

#include "base/buffer.h"
#include "lb/edge/h2o.h"
#include "lb/server.h"

#include <stdbool.h>
#include <stdint.h>

struct link;

/* Called from the event loop; none of them may free the link except on_closed. */
struct link_events {
    void (*on_text)(struct link *link, const uint8_t *text, size_t size);
    void (*on_bytes)(struct link *link, const uint8_t *bytes, size_t size);
    void (*on_room)(struct link *link);   /* link_has_room again */
    void (*on_tick)(struct link *link);   /* every PE_SLOT_PING_MS */
    void (*on_closed)(struct link *link); /* the last call: the embedding struct ends here */
};

/* Embedded in its owner. */
struct link {
    struct server *server;
    const struct link_events *events;
    h2o_websocket_conn_t *conn;
    h2o_timeout_entry_t flush, tick;
    uint64_t heard_ms;          /* when bytes came last, by the loop's clock */
    uint64_t close_by_us;       /* closing: when patience with the other side's close ends */
    bool closing;               /* no more messages are delivered */
    bool *ended;                /* set when the link ends under a caller that needs to know */
    struct pe_buf out, sending; /* frames for the next write, and those that libh2o is writing */
};

/* Whether the request carries the workers' token. False: answered with a problem. */
bool link_authorize(struct server *server, h2o_req_t *req);

/* Check a handshake and the worker's token. True: go on with link_open. False: answered with a problem. */
bool link_admit(struct server *server, h2o_req_t *req, const char **client_key);

/* Upgrade the request's connection; from now on `link` lives until on_closed. */
void link_open(struct link *link, struct server *server, h2o_req_t *req, const char *client_key,
               const struct link_events *events);

/* Queue a message; it is sent from the loop, never from within the call. On a closing link nothing happens.
 */
void link_send_text(struct link *link, const struct pe_buf *text);
void link_send_bytes(struct link *link, const void *bytes, size_t size);

/* Whether more should be queued now: a few messages are, so that the connection never runs dry. */
bool link_has_room(const struct link *link);

/* Begin to close with a WebSocket status code and a reason for the other side's log. */
void link_close(struct link *link, uint16_t code, const char *reason);

/* End the connection without courtesy. on_closed comes from the loop. */
void link_kill(struct link *link);

#endif
