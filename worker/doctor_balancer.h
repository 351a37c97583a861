/* SPDX-License-Identifier: Apache-2.0 */
/* The way to the balancer, as `pe-worker doctor` tries it. */
#ifndef PE_WORKER_DOCTOR_BALANCER_H
#define PE_WORKER_DOCTOR_BALANCER_H

#include "doctor/report.h"
#include "worker/balancer_link.h"
#include "worker/config.h"

/* Add the checks balancer.dns, balancer.tcp, balancer.tls, balancer.token and balancer.clock, by connecting
 * to each of config->balancers as a worker does, without registering. If a way ends before the token was
 * accepted, the report says that no job can run. Without a balancer, the checks are untried. */
void doctor_say_balancers(struct doctor_report *report, const struct worker_config *config);

/* Add the same checks about `server`, given what a link has seen, and the error `why` with which its way
 * ended unless it was admitted. `now` is the clock of this machine, in seconds since 1970. */
void doctor_say_view(struct doctor_report *report, const char *server, const struct balancer_view *view,
                     const struct pe_error *why, int64_t now);

#endif
