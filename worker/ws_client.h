/* One WebSocket connection to the balancer, for blocking code: wait for a message, or for something else
 * while pings are answered. libcurl makes the connection (TCP, TLS, UNIX socket, proxies), wslay the frames
 * (RFC 6455). */
#ifndef PE_WORKER_WS_CLIENT_H
#define PE_WORKER_WS_CLIENT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ws_client;

struct ws_message {
    struct ws_message *next;
    bool is_text;
    size_t size;     /* bytes */
    uint8_t bytes[]; /* text is not NUL-terminated */
};

enum ws_client_event {
    WS_CLIENT_MESSAGE,  /* ws_client_next has one */
    WS_CLIENT_FD,       /* the other descriptor is readable (or has ended) */
    WS_CLIENT_DEADLINE, /* the deadline passed */
    WS_CLIENT_STOP,     /* stop_requested */
};

/* Connect to `server` ("http://host:port", "https://…" or "unix:/path") and upgrade at `path`. `token` is
 * NULL for none. PE_ERR_LOST when nobody answers; a refusal names the status. */
struct ws_client *ws_client_open(const char *server, const char *path, const char *token,
                                 struct pe_error *err);

/* How long to wait before the next attempt to connect: 1 s, or 30 s if the balancer refused the worker's
 * version of the protocol. `client` is the failed connection, not closed yet, or NULL if there was none. */
unsigned ws_client_retry_ms(const struct ws_client *client);

/* Say goodbye if the connection still stands, and free. NULL is allowed. */
void ws_client_close(struct ws_client *client);

/* Send one whole message; blocks until it is with the kernel. PE_ERR_LOST when the other side is gone or
 * silent. */
int ws_client_send(struct ws_client *client, bool is_text, const void *bytes, size_t size,
                   struct pe_error *err) PE_MUST_CHECK;

/* Wait for the first of: a message, `fd` readable (-1: none), `deadline_us` (pe_now_us's clock; 0: none), a
 * stop when `stoppable`. A message that waits already comes first. PE_ERR_LOST when the connection ended or
 * fell silent. */
int ws_client_wait(struct ws_client *client, int fd, uint64_t deadline_us, bool stoppable,
                   enum ws_client_event *event, struct pe_error *err) PE_MUST_CHECK;

/* The oldest message, which the caller frees; NULL when there is none. */
struct ws_message *ws_client_next(struct ws_client *client);

#endif
