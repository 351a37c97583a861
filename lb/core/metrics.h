/* SPDX-License-Identifier: Apache-2.0 */
/* What pe-lb counts. The page that shows it is lb/api/metrics_page.c. */
#ifndef PE_LB_CORE_METRICS_H
#define PE_LB_CORE_METRICS_H

#include "codec/prometheus.h"
#include "proto/result.h"

#include <stdint.h>

/* The buckets of all histograms below. */
extern const struct pe_histogram_bounds metrics_bounds;

/* How many different statuses are counted by name; all others are counted together as "other". */
enum { METRICS_STATUSES = 32 };

struct metrics {
    struct pe_histogram phases[PE_PHASES]; /* of jobs that ran */
    struct pe_histogram request;           /* requests, from the complete body to the end of the response */
    struct {
        char name[48]; /* a result's status or a problem's type; empty in unused places */
        uint64_t count;
    } statuses[METRICS_STATUSES];
    uint64_t lost;     /* slots that were lost with a job */
    uint64_t retried;  /* jobs that were given to another slot */
    uint64_t returned; /* jobs that a worker gave back, because another balancer was faster */
    uint64_t poisoned; /* jobs that were held back because they killed slots */
};

/* Count the phases of a job that ran. */
void metrics_result(struct metrics *metrics, const struct pe_result *result);

/* Count a request that has ended after `took_us` microseconds. `status` may come from a worker:
 * only names that are valid in a label are used. */
void metrics_request(struct metrics *metrics, const char *status, uint64_t took_us);

#endif
