/* SPDX-License-Identifier: Apache-2.0 */
/* Stages and cases of a job: what is accepted can be planned, in one part or several, and pe-shim can read
 * the plan. */
#include "lb/cases/plan.h"
#include "proto/stage_plan.h"
#include "tests/fuzz/fuzz.h"

static const struct case_rules rules = {.total_ms = 600000, .slots = 4};

static void check_plan(const struct submission *job)
{
    pe_autoplan struct pe_plan plan;
    struct pe_error err;
    size_t last = job->files.count - 1;
    HOLDS(pe_plan_decode(job->bytes[last], (size_t)job->files.items[last].size, &plan, &err) == 0);
    HOLDS(plan.report_bytes == job->spec.stdout_max);
}

static void check_request(const struct submission *submission, const struct case_request *request)
{
    HOLDS(request->stage_count >= 1 && request->case_count <= CASES_MAX && request->slots >= 1);
    for (size_t i = 0; i < request->slots; i++) {
        size_t first = request->case_count * i / request->slots;
        size_t count = request->case_count * (i + 1) / request->slots - first;
        struct submission job;
        struct pe_error err;
        if (case_plan_make(request, submission, first, count, request->slots, &job, &err) == 0)
            check_plan(&job);
        submission_free(&job);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct submission submission;
    struct case_request request = {0};
    struct pe_error err;
    if (submission_parse_json(data, size, &submission, &err) == 0 && submission_has_stages(&submission) &&
        case_request_decode(&submission, &rules, &request, &err) == 0)
        check_request(&submission, &request);
    case_request_free(&request);
    submission_free(&submission);
    return 0;
}
