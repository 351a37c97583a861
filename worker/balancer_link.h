/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to the balancer, for processes that must not know the worker's token. A link is a process that
 * connects, presents the token, and asks for the upgrade to a WebSocket. Then it hands the connection over:
 * the socket itself, or with TLS one end of a socket pair, between which and the balancer it goes on to pass
 * the bytes. What travels over the connection is in worker/ws_client.h.
 *
 * A link reads what the balancer sends, and nothing of guests. It has a user of its own, and may connect to
 * other hosts. */
#ifndef PE_WORKER_BALANCER_LINK_H
#define PE_WORKER_BALANCER_LINK_H

#include "base/error.h"
#include "worker/config.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* In this time a link has connected, or has said why not: it keeps limits of its own below this one. If it
 * has not, it was stopped, or it waits for a balancer behind a UNIX socket that was. */
#define BALANCER_LINK_MS 60000

/* A link as its parent sees it. */
struct balancer_link {
    pid_t pid; /* 0: there is none */
    int fd;    /* socket for balancer_link_receive; its caller owns it */
};

#define BALANCER_LINK_NONE ((struct balancer_link){.fd = -1})

/* Start a link to `path` of the balancer config->balancer. It is to be ended with balancer_link_end, and ends
 * with its parent in any case. PE_ERR_INTERNAL if there can be no process. */
int balancer_link_start(const struct worker_config *config, const char *path, struct balancer_link *link,
                        struct pe_error *err) PE_MUST_CHECK;

/* Wait until the link has a connection, and return it: a nonblocking stream socket, which the caller owns.
 * May be called in another process than the parent, which got `fd`. PE_ERR_LOST if nobody answers, also the
 * link within `wait_ms` milliseconds, or the upgrade is refused, PE_ERR_INVALID if the token is refused or
 * the certificate is not right, and PE_ERR_MALFORMED if the response is not HTTP. */
int balancer_link_receive(int fd, int wait_ms, struct pe_error *err) PE_MUST_CHECK;

/* Give up the rights that a link does not need, in a process whose parent is `parent`: what remains is
 * resolving names and connecting to other hosts. `what` names the process in errors. PE_ERR_INTERNAL if the
 * kernel refuses. */
int balancer_link_drop_rights(const struct worker_config *config, pid_t parent, const char *what,
                              struct pe_error *err) PE_MUST_CHECK;

/* How far a link came. */
enum balancer_stage {
    BALANCER_UNKNOWN,  /* the name of the balancer, or of the proxy, has no address */
    BALANCER_RESOLVED, /* it has one, but nobody answers there */
    BALANCER_REACHED,  /* there is a connection, but TLS failed */
    BALANCER_SECURE,   /* TLS, if it is used, works, but there is no answer in HTTP */
    BALANCER_ANSWERED, /* there is an answer, but not the upgrade */
    BALANCER_ADMITTED, /* the upgrade: the token is right */
};

/* What a link has seen. */
struct balancer_view {
    enum balancer_stage stage;
    int64_t date; /* the balancer's clock, in seconds since 1970; 0: it did not say */
};

/* As balancer_link_receive, for somebody who wants to know how far the link comes: closes the connection.
 * `view` is set in any case. Returns 0 with BALANCER_ADMITTED; otherwise fails as balancer_link_receive. */
int balancer_link_look(int fd, struct balancer_view *view, struct pe_error *err) PE_MUST_CHECK;

/* Whether the process goes on when it has handed over the connection, because that has TLS. */
bool balancer_link_stays(const struct worker_config *config);

/* Reap the process if it has ended. */
void balancer_link_reap(struct balancer_link *link);

/* Kill and reap the process. A connection with TLS ends with it, any other one stays. Leaves
 * BALANCER_LINK_NONE, on which it is harmless, and does not close link->fd. */
void balancer_link_end(struct balancer_link *link);

#endif
