/* SPDX-License-Identifier: Apache-2.0 */
/* What slots say while the program of a job runs: its output, piece by piece. */
#ifndef PE_TESTS_MODEL_SLOT_LIVE_H
#define PE_TESTS_MODEL_SLOT_LIVE_H

#include "tests/model/hosts.h"

/* Send output of the program, or the rest of an output that was announced. */
void slot_say_output(struct slot_actor *slot, const char *id);

/* Send output as no worker should: too much, of another size than announced, or empty. */
void slot_misuse_output(struct slot_actor *slot, const char *id);

/* Whether there is output that was not sent yet. */
bool slot_has_output(const struct slot_actor *slot);

/* Take bytes of the input; without any, of bytes that were not sent. */
void slot_say_taken(struct slot_actor *slot, const char *id);

/* Whether there is input that was not taken, and whether its end has not come. */
bool slot_has_input(const struct slot_actor *slot);
bool slot_waits_for_input(const struct slot_actor *slot);

/* How many messages of output the balancer has accepted, in all runs. */
size_t slot_output_count(void);

#endif
