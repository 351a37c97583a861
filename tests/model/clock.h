/* SPDX-License-Identifier: Apache-2.0 */
/* The time of the simulated world, in the place of pe_now_us() and time(), and its random bytes. */
#ifndef PE_TESTS_MODEL_CLOCK_H
#define PE_TESTS_MODEL_CLOCK_H

#include <stdint.h>

extern uint64_t clock_us; /* moved by balancer_advance() only */

/* Begin again. */
void clock_reset(void);

#endif
