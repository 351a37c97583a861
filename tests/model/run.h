/* SPDX-License-Identifier: Apache-2.0 */
/* One run of the state-machine test: from the start of a balancer to its end. */
#ifndef PE_TESTS_MODEL_RUN_H
#define PE_TESTS_MODEL_RUN_H

#include <stdint.h>

/* Do at most `steps` steps, or until there are no more choices, and then end everything. The choices
 * must have been set. */
void run_steps(uint64_t steps);

#endif
