/* SPDX-License-Identifier: Apache-2.0 */
/* How much the open streams of one HTTP/2 connection make libh2o hold. HTTP/1 has one request at a time;
 * here, 100 of them can arrive together, and each has a buffer for its body. */
#ifndef PE_LB_EDGE_HTTP2_STREAMS_H
#define PE_LB_EDGE_HTTP2_STREAMS_H

#include "lb/edge/h2o.h"
#include "proto/limits.h"

#include <stdbool.h>
#include <stddef.h>

/* What was found in one look at all streams. All zeros: there is none. */
struct http2_streams {
    unsigned arriving; /* requests that have not arrived completely */
    unsigned slow;     /* those of them that are slow */
    bool overdue;      /* one of them has taken too long for any request */
    size_t unread;     /* bytes of the bodies of requests whose responses the client does not read */
    h2o_conn_t *conn;  /* of those that arrive; valid only during the look */
};

/* Count a request that is arriving. One that has not even begun is ignored. */
void http2_streams_add_arriving(struct http2_streams *streams, const h2o_req_t *req);

/* Count a request that has arrived, and whose response its client does not read. */
void http2_streams_add_unread(struct http2_streams *streams, const h2o_req_t *req);

/* Whether the requests arrive too slowly, by their number and age: how much of each has arrived does not
 * count. */
bool http2_streams_are_slow(const struct http2_streams *streams);

/* Whether the bodies that were counted have more than HTTP2_BODIES_MAX bytes together. To be called during
 * the look. */
bool http2_streams_hold_too_much(const struct http2_streams *streams);

/* Let the close of such a connection reset it. Its client may be sending a body for which there is no
 * room here, and would learn of an ordinary end only when the kernel forgets it, after a minute. */
void http2_streams_reset_on_close(h2o_socket_t *sock);

/* Two of the largest bodies. */
#define HTTP2_BODIES_MAX (2u * (size_t)PE_BODY_BYTES_MAX)

#endif
