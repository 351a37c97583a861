/* SPDX-License-Identifier: Apache-2.0 */
/* What the processes of a worker tell about themselves, for `pe-worker status`. It is in memory that all of
 * them share, and each process writes to a place of its own: the number of the child of the supervisor.
 *
 * A slot that was taken over can write anything there. So other processes decide only one thing by it: when
 * to ask a balancer again. A reader of a text gets printable ASCII of bounded length.
 *
 * All functions do nothing, and return zeros, if the board is NULL. */
#ifndef PE_WORKER_BOARD_H
#define PE_WORKER_BOARD_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define BOARD_TEXT_SIZE 240u /* with the NUL */

struct board;

enum board_state {
    BOARD_ENDED, /* there is no such process */
    /* a slot */
    BOARD_STARTING, /* it makes a VM, or waits for a permit to do so */
    BOARD_READY,    /* its VM waits for a job */
    BOARD_RUNNING,  /* it runs a job */
    /* a registration */
    BOARD_CONNECTING,
    BOARD_CONNECTED,
    BOARD_AWAY,    /* nobody answers, or the connection has ended */
    BOARD_REFUSED, /* the balancer refuses this worker */
    /* the worker */
    BOARD_WORKING,
    BOARD_PAUSED,   /* the owner of the host does not want it to run jobs now */
    BOARD_DRAINING, /* it ends after the running jobs */
    BOARD_STATES
};

/* The name of a state in JSON; "unknown" for a number that is none. */
const char *board_state_name(unsigned state);

/* What a process has told. */
struct board_view {
    unsigned state;             /* an enum board_state, unless somebody lies */
    int64_t since;              /* seconds since 1970; 0: it has told nothing */
    int64_t next;               /* when it tries again; 0: not planned */
    char said[BOARD_TEXT_SIZE]; /* the last warning or error that it logged; "": none */
    int64_t said_at;
    char why[BOARD_TEXT_SIZE]; /* why it has this state; "": nobody needs to be told */
};

/* Make a board for a worker whose children are `slots` slots and others, `children` altogether, with those
 * for the balancers last. The supervisor has the place `children`. PE_ERR_INTERNAL without memory. */
struct board *board_make(size_t slots, size_t children, size_t balancers, struct pe_error *err);

/* Give up the board. Other processes that have it keep theirs. */
void board_free(struct board *board);

/* How many slots there are. */
size_t board_slots(const struct board *board);

/* The place of the registration with a balancer, and that of the supervisor. */
size_t board_place_of_balancer(const struct board *board, size_t balancer);
size_t board_place_of_worker(const struct board *board);

/* Tell a state. `since` is now if it is another one than before. */
void board_set(struct board *board, size_t place, enum board_state state);

/* Tell why it has this state. Another state ends that. */
void board_explain(struct board *board, size_t place, const char *why);

/* Tell when this process tries again, in seconds since 1970. The next state ends that. */
void board_plan(struct board *board, size_t place, int64_t next);

/* Tell what was logged. It is cut to BOARD_TEXT_SIZE. */
void board_say(struct board *board, size_t place, const char *text);

/* Read what a process has told. */
void board_read(const struct board *board, size_t place, struct board_view *view);

/* How often the registration with a balancer has succeeded. */
unsigned board_connects(const struct board *board, size_t balancer);

/* Add CPU time that a VM has used, in microseconds, and return that of the local day so far. */
void board_add_cpu(struct board *board, uint64_t us);
uint64_t board_cpu_today_us(const struct board *board);

/* When the worker started, in seconds since 1970. */
int64_t board_start(const struct board *board);

#endif
