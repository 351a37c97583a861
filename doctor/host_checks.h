/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a machine that the doctors of pe-worker and pe-lb have in common. `top` is put in front of all
 * paths; it is "" for this machine. */
#ifndef PE_DOCTOR_HOST_CHECKS_H
#define PE_DOCTOR_HOST_CHECKS_H

#include "doctor/report.h"

#include <stdint.h>

/* Add the checks host.smt, host.swap and host.processor (doctor/side_channels.h). */
void host_say_side_channels(struct doctor_report *report, const char *top);

/* Memory of this machine that is free or can be freed, in MiB, at most what the cgroups of this process
 * allow it; 0 if it is not known. */
uint64_t host_memory_mib(const char *top);

/* Add the check host.memory: whether `needed_mib` are available. `what` says what needs them ("4 slots with
 * 1216 MiB each"), and `advice` what to do if there is less. */
void host_say_memory(struct doctor_report *report, const char *top, uint64_t needed_mib, const char *what,
                     const char *advice);

/* Add the check host.clock: whether something keeps the clock of this machine right (adjtimex(2)). */
void host_say_clock(struct doctor_report *report);

#endif
