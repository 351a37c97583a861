/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for the answers of pe-init (guest-init/shim_record.h). */
#ifndef PE_GUEST_INIT_SHIM_ANSWER_H
#define PE_GUEST_INIT_SHIM_ANSWER_H

#include "guest-init/shim_record.h"

#include <stdbool.h>

/* Receive the answer to the request with this number. An answer to another one is dropped: it came too late,
 * and its request was given up. False if the right one does not come in time, or if it says that the request
 * has failed. */
bool shim_answer_receive(int channel, uint64_t request, int timeout_ms, struct shim_answer *answer);

#endif
