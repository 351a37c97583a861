/* SPDX-License-Identifier: Apache-2.0 */
/* Putting together what belongs to one run: its report, and that of its checker, which follows it. */
#include "lb/cases/outcome.h"

static void hand_over(struct case_collector *collector)
{
    struct case_outcome outcome = collector->pending;
    collector->pending = (struct case_outcome){0};
    if (outcome.has_run)
        collector->on_outcome(collector->data, &outcome);
    case_outcome_free(&outcome);
}

/* Takes over the run. The order of both streams is not told. */
static void add_run(struct case_collector *collector, struct pe_stage_report *run)
{
    pe_buf_free(&run->both);
    struct case_outcome *pending = &collector->pending;
    if (run->kind == PE_RUN_CHECK && pending->has_run && !pending->has_check) {
        pending->check = *run;
        pending->has_check = true;
        return;
    }
    hand_over(collector);
    collector->pending = (struct case_outcome){.has_run = true, .run = *run};
}

int case_collector_add(struct case_collector *collector, struct pe_cursor bytes, struct pe_error *err)
{
    struct pe_stage_report run;
    int got = 0;
    while ((got = pe_report_read(&collector->reader, &bytes, &run, err)) > 0)
        add_run(collector, &run);
    return got;
}

int case_collector_end(struct case_collector *collector, struct pe_error *err)
{
    struct pe_stage_report run;
    int got = pe_report_end(&collector->reader, &run, err);
    if (got < 0)
        return -1;
    if (got > 0)
        add_run(collector, &run);
    hand_over(collector);
    return 0;
}

size_t case_collector_bytes(const struct case_collector *collector)
{
    const struct case_outcome arriving = {.run = collector->reader.run};
    return case_outcome_bytes(&collector->pending) + case_outcome_bytes(&arriving);
}

void case_collector_free(struct case_collector *collector)
{
    pe_report_reader_free(&collector->reader);
    case_outcome_free(&collector->pending);
    *collector = (struct case_collector){0};
}
