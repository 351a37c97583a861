/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of refusals, with figures from the queue and suggestions from the catalogs. */
#include "lb/api/refusals.h"

#include "lb/edge/problems.h"

/* The maximum of Retry-After: a queue can empty faster than expected. */
enum { RETRY_AFTER_MAX_S = 60 };

static unsigned retry_after_s(uint64_t wait_us)
{
    uint64_t seconds = wait_us / 1000000 + 1;
    return seconds < RETRY_AFTER_MAX_S ? (unsigned)seconds : RETRY_AFTER_MAX_S;
}

struct pe_problem refusal_no_worker(void)
{
    return problem_make("no-worker", "no worker is connected; start one with pe-worker --server URL");
}

struct pe_problem refusal_no_capacity(const struct jobs *jobs, const struct client_queue *client,
                                      const char *what)
{
    uint64_t wait_us = job_expected_wait_us(jobs, client);
    struct pe_problem problem =
        problem_make("no-capacity",
                     "%s; %zu jobs are waiting, %zu of them before a new job of yours, which would wait "
                     "about %.1f s",
                     what, jobs->scheduler->queued_count, scheduler_jobs_ahead(jobs->scheduler, client),
                     (double)wait_us / 1e6);
    problem.retry_after_s = retry_after_s(wait_us);
    return problem;
}

static struct pe_problem refusal_unknown_image(const struct scheduler *scheduler, const char *image)
{
    struct pe_image_suggestions suggestions = {.reference = image};
    pe_list_for_each(node, &scheduler->workers)
    {
        catalog_suggest(&pe_list_entry(node, struct worker, in_workers)->claim->catalog, &suggestions);
    }
    if (suggestions.count == 0)
        return problem_make("unknown-image", "no worker has an image '%s'; GET /v1/images lists the images",
                            image);
    struct pe_problem problem = problem_make("unknown-image", "no worker has an image '%s'", image);
    pe_image_suggestions_append(&suggestions, problem.detail, sizeof problem.detail);
    return problem;
}

/* Whether a worker would do if it were trusted. */
static bool only_trust_is_missing(const struct scheduler *scheduler, const struct pe_job_spec *spec)
{
    const struct pe_isolation_set without = {.bits = spec->isolation.bits};
    return spec->isolation.trusted_host && scheduler_find_image(scheduler, spec->image, without);
}

static struct pe_problem refusal_no_trusted_host(const struct pe_job_spec *spec)
{
    char demanded[PE_ISOLATION_TEXT_MAX];
    return problem_make("trusted-host-unavailable",
                        "no host that the operator of this service trusts has the image '%s'%s%s; the job "
                        "demands one with 'hosts'",
                        spec->image, spec->isolation.bits ? " and the isolation " : "",
                        spec->isolation.bits ? pe_isolation_set_print(spec->isolation, " or ", demanded)
                                             : "");
}

struct pe_problem refusal_no_suitable_worker(const struct scheduler *scheduler,
                                             const struct pe_job_spec *spec)
{
    char demanded[PE_ISOLATION_TEXT_MAX], available[PE_ISOLATION_TEXT_MAX];
    struct pe_isolation_set there = scheduler_isolations(scheduler, spec->image);
    if (there.bits == 0)
        return refusal_unknown_image(scheduler, spec->image);
    if (only_trust_is_missing(scheduler, spec))
        return refusal_no_trusted_host(spec);
    struct pe_problem problem = problem_make(
        "isolation-unavailable",
        "no worker that has the image '%s' has the isolation %s, which the job demands; available: %s",
        spec->image, pe_isolation_set_print(spec->isolation, " or ", demanded),
        pe_isolation_set_print(there, ", ", available));
    problem.available = there;
    return problem;
}
