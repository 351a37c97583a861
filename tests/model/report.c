/* SPDX-License-Identifier: Apache-2.0 */
/* Reports, frame by frame (proto/stages.h), and the words for what they say. */
#include "tests/model/report.h"

#include "tests/model/choices.h"

#include <string.h>

enum {
    MARK_SIZE = 40,
    PADDING = 120000,
    CODE_OF_NO_DECISION = 126, /* a checker that exits with it, or more, has decided nothing */
};

#define ONCE "\"stages\":[{\"name\":\"s0\",\"cmd\":[\"payload-#\"],\"timeout_ms\":100}"
#define LAST ",\"cmd\":[\"payload-#\"],\"timeout_ms\":100,\"expect\":\"right\"}]"
#define CHECKED                                               \
    ",\"cmd\":[\"payload-#\"],\"timeout_ms\":100,\"expect\":" \
    "{\"text\":\"right\",\"checker\":[\"checker\"]}}]"

const struct plan plans[PLANS] = {
    {.text = ""},
    {.once = 2, .names = {"s0", "s1"}, .text = ONCE ",{\"name\":\"s1\"" LAST},
    {.once = 1,
     .cases = 3,
     .names = {"s0", "s1"},
     .text = ONCE ",{\"name\":\"s1\"" LAST ",\"cases\":[{},{},{}]"},
    {.once = 1,
     .cases = 4,
     .stops = true,
     .names = {"s0", "s1"},
     .text = ONCE ",{\"name\":\"s1\"" LAST ",\"cases\":[{},{},{},{}],\"on_failure\":\"stop\""},
    {.cases = 2, .names = {"s0", "s1"}, .text = "\"stages\":[{\"name\":\"s0\"" LAST ",\"cases\":[{},{}]"},
    {.once = 2, .has_checker = true, .names = {"s0", "s1"}, .text = ONCE ",{\"name\":\"s1\"" CHECKED},
    {.once = 1,
     .cases = 3,
     .stops = true,
     .has_checker = true,
     .names = {"s0", "s1"},
     .text = ONCE ",{\"name\":\"s1\"" CHECKED ",\"cases\":[{},{},{}],\"on_failure\":\"stop\""},
    {.once = 1,
     .cases = 4,
     .parts = 2,
     .names = {"s0", "s1"},
     .text = ONCE ",{\"name\":\"s1\"" LAST ",\"cases\":[{},{},{},{}],\"slots\":2"},
    {.once = 1,
     .cases = 4,
     .stops = true,
     .parts = 3,
     .has_checker = true,
     .names = {"s0", "s1"},
     .text = ONCE ",{\"name\":\"s1\"" CHECKED ",\"cases\":[{},{},{},{}],\"on_failure\":\"stop\",\"slots\":3"},
    [PLAN_INTERPRETED] = {.once = 1, .names = {"run", "other"}, .text = ""},
    [PLAN_COMPILED] = {.once = 2, .names = {"compile", "run"}, .text = ""},
};

/* ---- frames ---- */

static void append(struct pe_buf *to, const void *bytes, size_t size)
{
    struct pe_error err;
    if (pe_buf_append(to, bytes, size, &err) < 0)
        abort();
}

static void append_frame(struct pe_buf *to, char kind, const void *bytes, size_t size)
{
    const uint8_t head[PE_STAGE_FRAME_HEAD] = {(uint8_t)kind, (uint8_t)(size >> 16), (uint8_t)(size >> 8),
                                               (uint8_t)size};
    append(to, head, sizeof head);
    append(to, bytes, size);
}

static void append_begin(struct report *report, const struct record *record)
{
    char text[16];
    if (record->is_case)
        snprintf(text, sizeof text, "%u", record->index);
    else
        snprintf(text, sizeof text, "%s",
                 record->index < PLAN_STAGES_MAX ? report->plan->names[record->index] : "unknown");
    append_frame(&report->bytes, record->is_case ? PE_CASE_BEGIN : PE_STAGE_BEGIN, text, strlen(text));
}

/* What it prints on stderr says which record of which run it is. */
static void mark(char text[MARK_SIZE], unsigned run, bool is_live, unsigned at)
{
    snprintf(text, MARK_SIZE, "run %09u %s %02u", run, is_live ? "live" : "last", at);
}

static void append_output(struct pe_buf *to, const struct record *record, const char *marked)
{
    const char *out = record->is_right ? "right\n" : "wrong\n";
    append_frame(to, PE_STAGE_OUT, out, strlen(out));
    append_frame(to, PE_STAGE_ERR, marked, strlen(marked));
    if (!record->padding)
        return;
    char *padding = calloc(1, record->padding);
    if (!padding)
        abort();
    memset(padding, 'w', record->padding);
    append_frame(to, PE_STAGE_OUT, padding, record->padding);
    free(padding);
}

static void append_end(struct pe_buf *to, const struct ending *ending)
{
    static const char *const names[] = PE_STAGE_END_NAMES;
    char text[128];
    int size = snprintf(text, sizeof text, "end=%s\ncode=%u\nsignal=%u\noom_kills=%u\n", names[ending->end],
                        ending->code, ending->signal, ending->oom_kills);
    if (!ending->is_unended)
        append_frame(to, PE_STAGE_END, text, (size_t)size);
}

static void append_check(struct pe_buf *to, const struct record *record, const char *marked)
{
    append_frame(to, PE_CHECK_BEGIN, "", 0);
    append_frame(to, PE_STAGE_OUT, marked, strlen(marked));
    append_end(to, &record->check);
}

static bool is_unended(const struct record *record)
{
    return record->ending.is_unended || (record->checks && record->check.is_unended);
}

static void append_record(struct report *report, unsigned run, unsigned at)
{
    char marked[MARK_SIZE];
    struct record *record = &report->records[at];
    append_begin(report, record);
    mark(marked, run, report->is_live, at);
    if (record->ending.end != PE_STAGE_SKIPPED && record->ending.end != PE_STAGE_FAILED)
        append_output(&report->bytes, record, marked);
    append_end(&report->bytes, &record->ending);
    for (unsigned i = 0; i < record->checks; i++)
        append_check(&report->bytes, record, marked);
    record->end_at = is_unended(record) ? SIZE_MAX : report->bytes.size;
}

/* ---- what is made up ---- */

static struct record *add(struct report *report, bool is_case, unsigned index)
{
    if (report->count == RECORDS_MAX)
        return NULL;
    struct record *record = &report->records[report->count++];
    bool is_last = is_case || (!report->plan->cases && index + 1 == report->plan->once);
    *record = (struct record){.is_case = is_case,
                              .index = index,
                              .is_right = true,
                              .is_checked = report->plan->has_checker && is_last};
    return record;
}

/* How a run ends: usually as it should. */
static void choose_end(struct record *record)
{
    static const enum pe_stage_end ends[] = {PE_STAGE_SIGNALED, PE_STAGE_WALL,   PE_STAGE_CPU,
                                             PE_STAGE_STDOUT,   PE_STAGE_STDERR, PE_STAGE_FAILED};
    unsigned what = choose(20);
    if (what < 12)
        return;
    struct ending *ending = &record->ending;
    record->is_right = what != 12 && what != 13;
    record->padding = what == 13 ? PADDING : 0;
    ending->code = what == 14 || what == 15;
    ending->oom_kills = what == 15 || what == 16;
    if (what > 16)
        ending->end = ends[choose(6)];
    ending->signal = ending->end == PE_STAGE_SIGNALED ? 9 : 0;
}

static bool is_ok(const struct ending *ending)
{
    return ending->end == PE_STAGE_EXITED && ending->code == 0;
}

/* A checker runs behind a program that has ended as it should, and need not agree with its output. */
static void choose_check(struct record *record)
{
    static const enum pe_stage_end ends[] = {PE_STAGE_SIGNALED, PE_STAGE_WALL, PE_STAGE_FAILED};
    static const unsigned codes[] = {0, 0, 0, 0, 1, 1, 2, 125, 126, 255};
    struct ending *check = &record->check;
    if (!record->is_checked || !is_ok(&record->ending))
        return;
    record->checks = 1;
    check->code = codes[choose(10)];
    check->oom_kills = chance(5);
    if (chance(10))
        check->end = ends[choose(3)];
    check->signal = check->end == PE_STAGE_SIGNALED ? 9 : 0;
}

static void choose_run(struct record *record)
{
    choose_end(record);
    choose_check(record);
}

static const char *judge_check(const struct record *record)
{
    const struct ending *check = &record->check;
    if (!record->checks || check->is_unended || check->end != PE_STAGE_EXITED || check->oom_kills ||
        check->code >= CODE_OF_NO_DECISION)
        return "checker_failed";
    return check->code ? "wrong" : "right";
}

static bool is_success(const struct record *record)
{
    bool is_right = record->is_checked ? !strcmp(judge_check(record), "right") : record->is_right;
    return is_ok(&record->ending) && is_right;
}

/* A run that is left out, which a report need not say. */
static void add_skipped(struct report *report, bool is_case, unsigned index)
{
    struct record *record = chance(50) ? add(report, is_case, index) : NULL;
    if (record)
        record->ending.end = PE_STAGE_SKIPPED;
}

/* All stages and cases in their order, each as far as what comes before lets it run. */
static void choose_records(struct report *report, const struct plan *plan)
{
    bool has_failed = false;
    for (unsigned i = 0; i < plan->once + report->cases; i++) {
        bool is_case = i >= plan->once;
        unsigned index = is_case ? report->first_case + i - plan->once : i;
        if (has_failed) {
            add_skipped(report, is_case, index);
            continue;
        }
        struct record *record = add(report, is_case, index);
        choose_run(record);
        has_failed = !is_success(record) && (!is_case || plan->stops);
    }
}

/* What no guest that keeps to the plan would report. */
static void misreport(struct report *report, const struct plan *plan)
{
    unsigned at = choose(report->count ? report->count : 1);
    const struct record copy = report->records[at];
    struct record *record = NULL;
    bool is_spread = report->cases < plan->cases;
    switch (is_spread && chance(40) ? 2 : choose(8)) {
    case 0: /* out of order */
        report->records[at] = report->records[0];
        report->records[0] = copy;
        break;
    case 1: /* twice */
        record = add(report, copy.is_case, copy.index);
        break;
    case 2: /* one that does not exist, or is that of another job */
        record = add(report, is_spread || chance(50), is_spread ? choose(PLAN_CASES_MAX) : 7);
        break;
    case 3: /* too many stages */
        for (unsigned i = 0; i <= PE_STAGES_MAX; i++)
            add(report, false, i % 2);
        break;
    case 4: /* the stage that is run for each case */
        record = add(report, false, plan->once);
        break;
    case 5: /* a checker that is not wanted, or that runs twice */
        report->records[at].checks++;
        break;
    case 6: /* no checker */
        report->records[at].checks = 0;
        break;
    default:
        report->count = at;
    }
    if (record)
        choose_run(record);
}

/* Stages may come in any order, but not more of them than a job can have; the numbers of cases grow. What
 * follows a second checker cannot be read. */
static unsigned count_valid(const struct report *report)
{
    unsigned next = 0, stages = 0, at = 0;
    for (; at < report->count; at++) {
        const struct record *record = &report->records[at];
        bool is_behind_end = at && report->records[at - 1].checks > 1;
        if (is_behind_end || (record->is_case ? record->index < next : stages == PE_STAGES_MAX))
            break;
        next = record->is_case ? record->index + 1 : next;
        stages += !record->is_case;
    }
    return at;
}

static bool is_plain(const struct report *report)
{
    for (unsigned i = 0; i < report->count; i++)
        for (unsigned other = 0; other < i; other++)
            if (report->records[i].is_case == report->records[other].is_case &&
                report->records[i].index == report->records[other].index)
                return false;
    return !report->is_broken;
}

/* The last run, or its checker, does not end. */
static void end_early(struct record *record)
{
    record->check.is_unended = record->checks == 1 && chance(50);
    record->ending.is_unended = !record->check.is_unended;
    record->checks = record->ending.is_unended ? 0 : record->checks;
}

struct report *report_make(struct work work, unsigned run, bool is_live)
{
    struct report *report = calloc(1, sizeof *report);
    if (!report)
        abort();
    report->plan = &plans[work.plan];
    report->first_case = plan_first_case(work.plan, work.part);
    report->cases = plan_first_case(work.plan, work.part + 1) - report->first_case;
    report->is_live = is_live;
    choose_records(report, &plans[work.plan]);
    if (chance(25))
        misreport(report, &plans[work.plan]);
    if (report->count && chance(10)) /* the job ends while it runs */
        end_early(&report->records[report->count - 1]);
    for (unsigned i = 0; i < report->count; i++)
        append_record(report, run, i);
    report->valid = count_valid(report);
    const struct record *last = report->count ? &report->records[report->count - 1] : NULL;
    report->is_broken = report->valid < report->count || (last && last->checks > 1);
    bool is_cut = last && is_unended(last);
    if (!is_cut && chance(5)) {
        append(&report->bytes, "nonsense", 8);
        report->is_broken = true;
    }
    report->is_plain = is_plain(report);
    return report;
}

void report_free(struct report *report)
{
    if (!report)
        return;
    pe_buf_free(&report->bytes);
    free(report);
}

/* ---- what follows from it ---- */

const struct record *report_find(const struct report *report, const struct record *after, bool is_case,
                                 unsigned index)
{
    unsigned at = after ? (unsigned)(after - report->records) + 1 : 0;
    if (is_case && index - report->first_case >= report->cases)
        return NULL;
    for (; at < report->valid; at++)
        if (report->records[at].is_case == is_case && report->records[at].index == index)
            return &report->records[at];
    return NULL;
}

const struct record *report_find_marked(const struct report *report, unsigned run, const char *text)
{
    char marked[MARK_SIZE];
    for (unsigned i = 0; i < report->valid; i++) {
        mark(marked, run, report->is_live, i);
        if (!strcmp(marked, text))
            return &report->records[i];
    }
    return NULL;
}

static const char *status_of(const struct ending *ending, enum pe_status job)
{
    static const char *const words[] = {
        [PE_STAGE_EXITED] = "ok",           [PE_STAGE_SIGNALED] = "signaled",
        [PE_STAGE_WALL] = "timeout",        [PE_STAGE_CPU] = "cpu_limit",
        [PE_STAGE_STDOUT] = "output_limit", [PE_STAGE_STDERR] = "output_limit",
        [PE_STAGE_FAILED] = "cannot_start", [PE_STAGE_SKIPPED] = "skipped"};
    if (ending->is_unended)
        return job == PE_STATUS_TIMEOUT ? "timeout" : job == PE_STATUS_OOM ? "oom" : "interrupted";
    if (ending->oom_kills && !is_ok(ending))
        return "oom";
    return ending->end == PE_STAGE_EXITED && !is_ok(ending) ? "failed" : words[ending->end];
}

const char *report_check_status(const struct record *record, enum pe_status job)
{
    return status_of(&record->check, job);
}

/* What a stage in front of the last one prints is not looked at. */
struct told report_outcome(const struct record *record, enum pe_status job)
{
    struct told told = {.is_told = true, .status = record ? status_of(&record->ending, job) : "skipped"};
    bool is_judged = record && (record->is_case || record->index > 0);
    if (strcmp(told.status, "ok") != 0)
        told.verdict = told.status;
    else if (record->is_checked)
        told.verdict = judge_check(record);
    else
        told.verdict = record->is_right || !is_judged ? "right" : "wrong";
    return told;
}
