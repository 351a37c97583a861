/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the host on which programs in different VMs can observe each other, or memory of jobs can stay
 * behind. The worker does not need them to be right, and changes nothing; `pe-worker doctor` reports them.
 * docs/operations.md says how to set up a host.
 *
 * Each check returns 0 if the setting is right or this host does not have it. Otherwise it fails with
 * PE_ERR_INVALID and says what that means and what helps, or with PE_ERR_INTERNAL if the setting cannot be
 * read. `top` is put in front of all paths; it is "" for this host. */
#ifndef PE_DOCTOR_SIDE_CHANNELS_H
#define PE_DOCTOR_SIDE_CHANNELS_H

#include "base/error.h"

/* Whether two hardware threads of a core run at the same time (SMT). */
int side_channel_smt(const char *top, struct pe_error *err) PE_MUST_CHECK;

/* Whether memory can be written to a swap device. Memory that is kept compressed (zram) does not count. */
int side_channel_swap(const char *top, struct pe_error *err) PE_MUST_CHECK;

/* Whether the kernel says that the processor has a flaw that it does not mitigate, and which. */
int side_channel_processor(const char *top, struct pe_error *err) PE_MUST_CHECK;

#endif
