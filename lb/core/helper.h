/* SPDX-License-Identifier: Apache-2.0 */
/* A helper process of the balancer, for what may block: its life, and the messages that the event loop
 * exchanges with it over a socket. It is this program, started again with other arguments. If it
 * exits, it is started again. The loop never waits for it: a helper that is lost is killed. What the messages
 * say is the owner's matter. */
#ifndef PE_LB_CORE_HELPER_H
#define PE_LB_CORE_HELPER_H

#include "base/buffer.h"
#include "base/error.h"
#include "lb/core/loop.h"

#include <stdbool.h>
#include <sys/types.h>

#define HELPER_FD "3" /* the helper's end of the socket, as an argument */

struct helper;

/* What the owner of a helper does. `helper` is embedded in the owner's struct. */
struct helper_ops {
    /* Take complete messages out of helper->in. A negative result means that the helper cannot have sent
     * what is there: it is ended, and started again. */
    int (*on_bytes)(struct helper *helper);

    /* The helper has exited or was ended: what was asked is not answered any more. */
    void (*on_gone)(struct helper *helper);

    const char *lost; /* the line of the log when it has exited */
};

struct helper {
    const struct helper_ops *ops;
    struct loop *loop;
    const char *const *arguments; /* of the process, the last one is NULL; HELPER_FD among them */
    int fd;                       /* the socket; owned by `watch` */
    struct loop_watch *watch;     /* NULL while there is no helper */
    pid_t pid;                    /* 0: it is not running; without `watch` it was killed */
    struct pe_buf out, sending;   /* messages for the next write, and those that are being written */
    size_t sent;                  /* bytes of `sending` that were written */
    struct pe_buf in;             /* bytes of messages that are not complete */
    struct loop_timer restart;    /* before a helper that exited is started again */
};

/* Prepare a helper that is not running. `loop`, `ops` and `arguments` must outlive it, and it must stay
 * where it is. */
void helper_init(struct helper *helper, struct loop *loop, const struct helper_ops *ops,
                 const char *const *arguments);

/* Start the process. PE_ERR_INTERNAL with the error of socketpair(2) or fork(2). */
int helper_start(struct helper *helper, struct pe_error *err) PE_MUST_CHECK;

/* Send what the owner has appended to helper->out, now or when the socket has room. The owner bounds what
 * it appends. */
void helper_flush(struct helper *helper);

/* How many bytes have not been sent yet. */
size_t helper_unsent(const struct helper *helper);

/* Send all that is queued, which may block while the helper reads, for at most `drain_ms` without
 * progress. What it answers is dropped. Returns -1 if the helper is gone or does not read. */
int helper_drain(struct helper *helper, int drain_ms) PE_MUST_CHECK;

/* Let the helper see the end of its input, after which it exits by itself, and wait until it has: for at most
 * `end_ms`, then it is killed. */
void helper_close(struct helper *helper, int end_ms);

#endif
