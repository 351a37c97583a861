/* SPDX-License-Identifier: Apache-2.0 */
/* All checks of a worker's host for `pe-worker doctor`. */
#ifndef PE_WORKER_DOCTOR_HOST_H
#define PE_WORKER_DOCTOR_HOST_H

#include "doctor/report.h"
#include "worker/config.h"

/* Add the checks of this host (host.NAME) and of its VMMs (vmm.NAME) to a report. */
void doctor_say_host(struct doctor_report *report, const struct worker_config *config);

#endif
