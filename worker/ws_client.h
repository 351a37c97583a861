/* SPDX-License-Identifier: Apache-2.0 */
/* A WebSocket connection to the balancer (RFC 6455) for blocking code. Every wait also answers
 * pings and notices when the balancer falls silent. The connection comes from worker/balancer_link.h, and
 * net/websocket.h reads and writes the frames. */
#ifndef PE_WORKER_WS_CLIENT_H
#define PE_WORKER_WS_CLIENT_H

#include "base/error.h"
#include "net/websocket.h"
#include "worker/retry.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ws_client;

enum { WS_COMPANY_MAX = 8 }; /* connections that are looked after meanwhile */

/* Other connections of the process, which are looked after while it waits for one of them. */
struct ws_company {
    void *context;

    /* Write what poll(2) has to watch to `fds`, at most WS_COMPANY_MAX, and return how many that are. Lower
     * `*wake_us` if `serve` has to be called earlier. */
    size_t (*watch)(void *context, struct pollfd *fds, uint64_t *wake_us);

    /* Do what is due, without waiting. It must not use or free the connection that is waited for. */
    void (*serve)(void *context);
};

enum ws_client_event {
    WS_CLIENT_MESSAGE,  /* ws_client_next returns one */
    WS_CLIENT_SENT,     /* everything of ws_client_queue has been sent */
    WS_CLIENT_FD,       /* the other descriptor is readable, or has ended */
    WS_CLIENT_DEADLINE, /* the deadline has passed */
    WS_CLIENT_STOP,     /* a stop was requested (worker/stop_signal.h) */
};

/* Use a stream socket on which the upgrade has been done, and take it over, also on failure. The caller
 * closes the client. Returns NULL with PE_ERR_INTERNAL without memory. */
struct ws_client *ws_client_open(int socket, struct pe_error *err);

/* From now on, look after others whenever this client waits. `company` is borrowed; NULL ends it. */
void ws_client_keep_company(struct ws_client *client, const struct ws_company *company);

/* Why the connection, which has failed, ended. */
enum retry_cause ws_client_cause(const struct ws_client *client);

/* Send a close frame if the connection still exists, and free it. Harmless on NULL. */
void ws_client_close(struct ws_client *client);

/* Send a message. Blocks until the kernel has all of it. Fails with PE_ERR_LOST if the balancer is
 * gone or silent, and with PE_ERR_TIMEOUT at `deadline_us` (pe_now_us(); 0: none): it says something all the
 * time, and reads nothing. */
int ws_client_send(struct ws_client *client, bool is_text, const void *bytes, size_t size,
                   uint64_t deadline_us, struct pe_error *err) PE_MUST_CHECK;

/* Send a message as far as that is possible without waiting. ws_client_wait sends the rest. Fails as
 * ws_client_send does. */
int ws_client_queue(struct ws_client *client, bool is_text, const void *bytes, size_t size,
                    struct pe_error *err) PE_MUST_CHECK;

/* The same, also with the same errors, but ws_client_wait does not report that the message has been sent. */
int ws_client_post(struct ws_client *client, bool is_text, const void *bytes, size_t size,
                   struct pe_error *err) PE_MUST_CHECK;

/* Send and receive what is possible without waiting, for a process that waits for several connections
 * itself. Fails as ws_client_wait does. */
int ws_client_pump(struct ws_client *client, struct pe_error *err) PE_MUST_CHECK;

/* What poll(2) has to watch before ws_client_pump is called again. It is also to be called every
 * PE_SLOT_PING_MS. */
struct pollfd ws_client_poll(const struct ws_client *client);

/* True if ws_client_next returns a message. */
bool ws_client_has_message(const struct ws_client *client);

/* True while something that was queued has not been sent. */
bool ws_client_is_sending(const struct ws_client *client);

/* Wait until a message has arrived, `fd` is readable (-1: no descriptor), `deadline_us` has passed
 * (on the clock of pe_now_us; 0: no deadline) or, if `stoppable`, a stop is requested. If several
 * are true, the first in the order of enum ws_client_event is reported. Fails with PE_ERR_LOST if
 * the connection ended or fell silent. */
int ws_client_wait(struct ws_client *client, int fd, uint64_t deadline_us, bool stoppable,
                   enum ws_client_event *event, struct pe_error *err) PE_MUST_CHECK;

/* Remove and return the oldest message, which the caller frees; NULL if there is none. */
struct pe_websocket_message *ws_client_next(struct ws_client *client);

#endif
