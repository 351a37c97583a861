/* SPDX-License-Identifier: Apache-2.0 */
/* Plans with cases, as pe-shim reads them. A plan that is accepted keeps the limits, its bytes are those of
 * the input, and it is the same after the balancer has written it. */
#include "base/cleanup.h"
#include "proto/stage_plan.h"
#include "tests/fuzz/fuzz.h"

static void check_range(const struct pe_plan_bytes *range, const uint8_t *bytes, size_t size)
{
    HOLDS(!range->data || (range->data >= bytes && range->data <= bytes + size &&
                           range->size <= (size_t)(bytes + size - range->data)));
}

static void check_run(const struct pe_plan *plan, const struct pe_plan_run *run, const uint8_t *bytes,
                      size_t size)
{
    check_range(&run->input, bytes, size);
    check_range(&run->expect.answer, bytes, size);
    HOLDS(run->expect.exit_code <= 255 && strlen(run->expect.sha256) % (PE_SHA256_HEX_SIZE - 1) == 0);
    HOLDS(run->expect.checker >= PE_PLAN_NO_CHECKER && run->expect.checker < (int)plan->checker_count);
    HOLDS(run->limits.wall_ms <= PE_STAGE_MS_MAX && run->limits.cpu_ms <= PE_STAGE_MS_MAX);
}

static void check_plan(const struct pe_plan *plan, const uint8_t *bytes, size_t size)
{
    HOLDS(plan->stage_count >= 1 && plan->stage_count <= PE_STAGES_MAX);
    HOLDS(plan->case_count <= PE_CASES_MAX && plan->checker_count <= PE_CHECKERS_MAX);
    for (size_t i = 0; i < plan->stage_count; i++) {
        HOLDS(plan->stages[i].name[0] && plan->stages[i].arguments.count && plan->stages[i].needs < 1u << i);
        check_run(plan, &plan->stages[i].run, bytes, size);
    }
    for (size_t i = 0; i < plan->case_count; i++) {
        HOLDS(plan->cases[i].number < PE_CASES_MAX);
        HOLDS(i == 0 || plan->cases[i].number > plan->cases[i - 1].number);
        check_run(plan, &plan->cases[i].run, bytes, size);
    }
}

/* Ranges may overlap in the input, and do not in what the balancer writes. */
static void check_written(const struct pe_plan *plan)
{
    struct pe_error err;
    pe_autobuf struct pe_buf first = {0}, second = {0};
    pe_autoplan struct pe_plan again = {0};
    if (pe_plan_encode(plan, &first, &err) < 0)
        return;
    HOLDS(pe_plan_decode(first.data, first.size, &again, &err) == 0);
    HOLDS(pe_plan_encode(&again, &second, &err) == 0);
    HOLDS(again.case_count == plan->case_count && again.stage_count == plan->stage_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_error err;
    pe_autoplan struct pe_plan plan = {0};
    if (pe_plan_decode(bytes, size, &plan, &err) < 0)
        return 0;
    check_plan(&plan, bytes, size);
    check_written(&plan);
    return 0;
}
