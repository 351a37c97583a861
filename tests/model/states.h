/* SPDX-License-Identifier: Apache-2.0 */
/* How many different states the balancer was in. A run that finds no fault says little if it was in few. */
#ifndef PE_TESTS_MODEL_STATES_H
#define PE_TESTS_MODEL_STATES_H

#include <stddef.h>

/* Note the state that the balancer is in. Of a state it counts how many jobs, slots and workers are in which
 * situation, and not which ones they are, or when it was. Call it when nothing is left to do at this moment.
 */
void states_note(void);

/* The number of different states in all runs of this process. */
size_t states_count(void);

#endif
