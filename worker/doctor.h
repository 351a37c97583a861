/* SPDX-License-Identifier: Apache-2.0 */
/* `pe-worker doctor`: what this host offers for running jobs, what is missing, and what to do about it. */
#ifndef PE_WORKER_DOCTOR_H
#define PE_WORKER_DOCTOR_H

#include "base/error.h"
#include "worker/config.h"
#include "worker/vmm/probe.h"

#include <stdbool.h>

/* Print the report (doctor/report.h) to stdout, with `json` as JSON. `config` is that of a worker that is
 * about to choose its engine, and `probe` how it would choose. Engines are tried only if there is no
 * remembered result or if probe->again is set, and then all of them. Returns the exit status: one of enum
 * doctor_exit. Fails with PE_ERR_INTERNAL if there can be no report. */
int doctor_run(struct worker_config *config, const struct probe *probe, bool json,
               struct pe_error *err) PE_MUST_CHECK;

#endif
