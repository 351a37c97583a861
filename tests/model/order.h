/* SPDX-License-Identifier: Apache-2.0 */
/* The model of the order in which jobs start (lb/core/scheduler.h): clients take turns, the jobs of one
 * client start as they came, and the best slot is chosen. */
#ifndef PE_TESTS_MODEL_ORDER_H
#define PE_TESTS_MODEL_ORDER_H

#include "tests/model/book.h"

/* Begin again. */
void order_reset(void);

/* What enters a queue from now on is later than what has entered before. In between, the order is not
 * known. */
void order_go_on(void);

/* A group enters the queue of its client, at the end or, after a loss or if its source has left, in
 * front of everything. */
void order_append(struct group *group);
void order_prepend(struct group *group);

/* A group is about to start on a slot: check that it is its turn, and that the slot is the best one. */
void order_on_start(struct group *group, const struct slot_actor *slot);

/* Whether a ready slot can run the group. */
bool order_can_start(const struct group *group);

/* Whether a worker is known, and has VMs for all jobs that run on it and so many more. */
bool order_has_room(unsigned name, unsigned jobs);

#endif
