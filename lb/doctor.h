/* SPDX-License-Identifier: Apache-2.0 */
/* `pe-lb doctor`: what this machine offers for a balancer with these settings, what is missing, and what to
 * do about it. */
#ifndef PE_LB_DOCTOR_H
#define PE_LB_DOCTOR_H

#include "base/error.h"
#include "lb/settings.h"

/* Print the report (doctor/report.h) to stdout, with settings->json as JSON. Nothing is changed, and a
 * balancer that runs is not disturbed. Returns the exit status: one of enum doctor_exit. Fails with
 * PE_ERR_INTERNAL if there is no memory for a report. */
int doctor_run(const struct settings *settings, struct pe_error *err) PE_MUST_CHECK;

#endif
