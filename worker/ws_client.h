/* One WebSocket connection to the balancer, for blocking code: wait for a message, or for something else
 * while pings are answered. libcurl makes the connection (TCP, TLS, UNIX socket, proxies), wslay the frames
 * (RFC 6455). */
#ifndef PE_WORKER_WS_CLIENT_H
#define PE_WORKER_WS_CLIENT_H

#include "base/error.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link;

/* Set by a signal handler: the process shall end when it is idle. The signals that set it are blocked outside
 * link_wait, so that none is missed. */
extern volatile sig_atomic_t link_stop_requested;

struct link_message {
    struct link_message *next;
    bool is_text;
    size_t size;     /* bytes */
    uint8_t bytes[]; /* text is not NUL-terminated */
};

enum link_event {
    LINK_MESSAGE,  /* link_take has one */
    LINK_FD,       /* the other descriptor is readable (or has ended) */
    LINK_DEADLINE, /* the deadline passed */
    LINK_STOP,     /* link_stop_requested */
};

/* Have SIGTERM and SIGINT set link_stop_requested, and block them outside of this module's waits. */
void link_catch_stop(void);

/* Sleep for `ms`, or until a stop is asked for. */
void link_pause(unsigned ms);

/* Connect to `server` ("http://host:port", "https://…" or "unix:/path") and upgrade at `path`. `token` is
 * NULL for none. PE_ERR_LOST when nobody answers; a refusal names the status. */
struct link *link_open(const char *server, const char *path, const char *token, struct pe_error *err);

/* Say goodbye if the connection still stands, and free. NULL is allowed. */
void link_close(struct link *link);

/* Send one whole message; blocks until it is with the kernel. PE_ERR_LOST when the other side is gone or
 * silent. */
int link_send(struct link *link, bool is_text, const void *bytes, size_t size,
              struct pe_error *err) PE_MUST_CHECK;

/* Wait for the first of: a message, `fd` readable (-1: none), `deadline_us` (pe_now_us's clock; 0: none), a
 * stop when `stoppable`. A message that waits already comes first. PE_ERR_LOST when the connection ended or
 * fell silent. */
int link_wait(struct link *link, int fd, uint64_t deadline_us, bool stoppable, enum link_event *event,
              struct pe_error *err) PE_MUST_CHECK;

/* The oldest message, which the caller frees; NULL when there is none. */
struct link_message *link_take(struct link *link);

#endif
