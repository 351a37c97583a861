/* SPDX-License-Identifier: Apache-2.0 */
/* What programs are sent while they run: every byte that their own client has typed, in order and once,
 * its end, and the last size of the window. */
#ifndef PE_TESTS_MODEL_INPUT_H
#define PE_TESTS_MODEL_INPUT_H

#include "tests/model/hosts.h"

/* The job of a run is sent to a slot. */
void input_on_job(const struct run *run, const struct pe_message *message);

/* `input`, `eof`, `resize` or `signal` is sent to a slot, or bytes behind an `input`. */
void input_on_message(struct slot_actor *slot, const struct pe_message *message);
void input_on_bytes(struct slot_actor *slot, const uint8_t *bytes, size_t size);

/* A run is given back: everything is to be sent again. */
void input_on_return(const struct run *run);

/* At rest: the slot was sent what there is. */
void input_check_rest(const struct slot_actor *slot);

/* How many messages programs were sent, in all runs. */
size_t input_count(void);

#endif
