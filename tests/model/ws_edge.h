/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of workers, in the place of lb/edge/ws_server.c: what the balancer sends waits here until
 * the worker reads it, and what the worker says is given to the balancer at once. */
#ifndef PE_TESTS_MODEL_WS_EDGE_H
#define PE_TESTS_MODEL_WS_EDGE_H

#include "base/list.h"
#include "lb/edge/ws_server.h"
#include "tests/model/world.h"

/* The worker's end. Embedded in an actor, and zero-initialised except for the functions. */
struct peer {
    /* The balancer sends a message. */
    void (*on_sent)(struct peer *peer, bool is_text, const uint8_t *bytes, size_t size);
    /* The balancer begins to close the connection. */
    void (*on_closing)(struct peer *peer);
    /* The connection ends: the balancer is about to be told. */
    void (*on_end)(struct peer *peer);
    /* The balancer was told, and has freed its side. NULL: nobody is called. */
    void (*on_gone)(struct peer *peer);

    struct ws_server *ws; /* NULL: not connected */
    struct pe_list unread;
    unsigned unread_count;
    bool is_killed;
    uint64_t close_by_us; /* while the balancer closes it */
    uint16_t close_code;  /* 0: none */
};

/* A message that the worker has not read. */
struct unread {
    struct pe_list in_unread;
    bool is_text;
    size_t size;
    uint8_t bytes[];
};

/* Open the connection of a registration or of a slot. */
void peer_open(struct peer *peer, bool is_slot);

/* Open the connection of a client whose job is interactive; `is_piston`: that of Piston's API. */
void peer_open_session(struct peer *peer, h2o_req_t *req, bool is_piston);

/* Whether the balancer still hears what the worker says. */
bool peer_is_heard(const struct peer *peer);

/* Say something to the balancer. */
void peer_say(struct peer *peer, bool is_text, const void *bytes, size_t size);

/* Take the oldest message that was not read; NULL if there is none. The caller frees it. */
struct unread *peer_read(struct peer *peer);

/* End the connection. */
void peer_end(struct peer *peer);

/* End the connections that are to be ended. Returns how many. */
unsigned peers_end_due(void);

#endif
