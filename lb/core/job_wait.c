/* SPDX-License-Identifier: Apache-2.0 */
/* How long jobs wait for a slot, judged by the jobs before. */
#include "lb/core/job.h"

void job_note_service_time(struct jobs *jobs, uint64_t us)
{
    jobs->service_us = jobs->service_us ? (jobs->service_us * 15 + us) / 16 : us;
}

uint64_t job_wait_us(const struct jobs *jobs, size_t before)
{
    size_t capacity = scheduler_capacity(jobs->scheduler);
    uint64_t service_us = jobs->service_us ? jobs->service_us : 1000000;
    return (before + 1) * service_us / (capacity ? capacity : 1);
}

uint64_t job_expected_wait_us(const struct jobs *jobs, const struct client_queue *client)
{
    return job_wait_us(jobs, scheduler_jobs_ahead(jobs->scheduler, client));
}
