/* SPDX-License-Identifier: Apache-2.0 */
/* Counting. Nothing here formats text. */
#include "lb/core/metrics.h"

#include <stdio.h>
#include <string.h>

const struct pe_histogram_bounds metrics_bounds = {
    .count = 14,
    .upper_us = {100, 250, 500, 1000, 2500, 5000, 10000, 50000, 100000, 500000, 1000000, 5000000, 10000000,
                 60000000},
};

void metrics_result(struct metrics *metrics, const struct pe_result *result)
{
    for (int phase = 0; phase < PE_PHASES; phase++)
        pe_histogram_observe(&metrics->phases[phase], &metrics_bounds, result->phase_us[phase]);
}

/* The counter of a status. The balancer's own names are few; a worker may invent problem types,
 * and those that do not fit into the table are counted together. */
static uint64_t *status_count(struct metrics *metrics, const char *name)
{
    int i = 0;
    if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_")])
        name = "other";
    while (i < METRICS_STATUSES - 1 && metrics->statuses[i].name[0] &&
           strcmp(metrics->statuses[i].name, name) != 0)
        i++;
    if (i == METRICS_STATUSES - 1)
        name = "other";
    if (!metrics->statuses[i].name[0])
        snprintf(metrics->statuses[i].name, sizeof metrics->statuses[i].name, "%s", name);
    return &metrics->statuses[i].count;
}

void metrics_request(struct metrics *metrics, const char *status, uint64_t took_us)
{
    ++*status_count(metrics, status);
    pe_histogram_observe(&metrics->request, &metrics_bounds, took_us);
}
