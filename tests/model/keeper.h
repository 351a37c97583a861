/* SPDX-License-Identifier: Apache-2.0 */
/* The helper process of the result store (lb/core/store_keeper.h), played by the test: it stores
 * what the balancer sends, and answers late, wrongly, or not at all. */
#ifndef PE_TESTS_MODEL_KEEPER_H
#define PE_TESTS_MODEL_KEEPER_H

#include "lb/core/loop.h"
#include "tests/model/world.h"

/* Begin with an empty store. */
void keeper_reset(void);

/* Drop everything. */
void keeper_free(void);

/* Read what the balancer has sent. Call it after every event. */
void keeper_read(void);

/* How many results it was told to delete, in all runs. */
uint64_t keeper_removals(void);

/* Do something: answer a lookup that waits, in a way that is chosen, or die. */
void keeper_act(void);

/* The part of struct loop_ops that is about sockets. */
struct loop_watch *keeper_watch(struct loop *loop, int fd, void (*on_readable)(void *data), void *data);
void keeper_await_writable(struct loop_watch *watch, void (*on_writable)(void *data));
void keeper_unwatch(struct loop_watch *watch);

/* Let the balancer read and write, if it can. Returns whether it did. */
bool keeper_poll(void);

#endif
