/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing what a client is told with what workers have reported. */
#include "tests/model/cases.h"

#include "tests/model/book.h"
#include "tests/model/clock.h"
#include "tests/model/json_text.h"
#include "tests/model/judge.h"

#include <string.h>

enum { READ_US = 200000 }; /* in which the reports of all clients are read */

#define AMPLE_BYTES 16777216u /* with so much memory for results, no output is left out */

static size_t total;

size_t cases_count(void)
{
    return total;
}

/* ---- one stage or case ---- */

/* What is expected of the first stages is that they exit with 0, and no verdict is told. */
static bool has_verdict(const struct request *request, bool is_case, unsigned index)
{
    return is_case || (plans[request->work.plan].once > 1 && index > 0);
}

static struct told read_told(const struct request *request, bool is_case, unsigned index, const json_t *json)
{
    struct told told = {
        .is_told = true, .status = text_of(json, "status"), .verdict = text_of(json, "verdict")};
    char name[16];
    snprintf(name, sizeof name, is_case ? "%u" : "s%u", is_case ? index + 1 : index);
    EXPECT(!strcmp(text_of(json, "name"), name), "request %u is told of %s, which is called %s",
           request->number, text_of(json, "name"), name);
    EXPECT((*told.verdict != '\0') == has_verdict(request, is_case, index),
           "the verdict of %s for request %u is '%s'", name, request->number, told.verdict);
    return told;
}

static bool is_same(struct told told, struct told expected)
{
    return !strcmp(told.status, expected.status) &&
           (!*told.verdict || !strcmp(told.verdict, expected.verdict));
}

/* Keep the words, which belong to an event that is about to be freed. */
static struct told keep(struct told told)
{
    static const char *const words[] = {"ok",           "failed",      "timeout",       "cpu_limit", "oom",
                                        "output_limit", "skipped",     "signaled",      "right",     "wrong",
                                        "cannot_start", "interrupted", "checker_failed"};
    struct told kept = {.is_told = true, .status = "", .verdict = ""};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        kept.status = strcmp(told.status, words[i]) != 0 ? kept.status : words[i];
        kept.verdict = strcmp(told.verdict, words[i]) != 0 ? kept.verdict : words[i];
    }
    EXPECT(*kept.status, "the status is '%s'", told.status);
    return kept;
}

/* ---- events: which record of which run it is ---- */

/* What the client is told, and where it can come from. */
struct search {
    const struct request *request;
    bool is_case;
    unsigned index;
    struct told told;
    const char *marked; /* empty: its output is left out, or there is none */
    const struct run *run;
    const struct record *found;
};

/* Whether a run has reported this: while it ran, or with its result. */
static bool is_reported(const struct run *run, const struct report *report, const struct record *record)
{
    if (run->state == RUN_COMPLETE && report == run->report)
        return true;
    return record->end_at <= run->live[LIVE_STDOUT] && (report == run->live_report || !run->live_report);
}

static void search_report(struct search *search, const struct run *run, const struct report *report)
{
    const struct record *record = NULL;
    while (report && (record = report_find(report, record, search->is_case, search->index))) {
        bool is_marked =
            !*search->marked || report_find_marked(report, run->number, search->marked) == record;
        if (!is_marked || !is_reported(run, report, record) ||
            !is_same(search->told, report_outcome(record, run->status)))
            continue;
        search->run = run;
        search->found = record;
        return;
    }
}

static void search_run(const struct run *run, void *data)
{
    struct search *search = data;
    if (search->found)
        return;
    search_report(search, run, run->live_report);
    if (!search->found)
        search_report(search, run, run->report);
}

/* The run that has printed this, which is of this or of another group. */
static const struct run *find_marked(const char *marked)
{
    char number[16] = "";
    if (strlen(marked) < 13 || strncmp(marked, "run ", 4) != 0)
        return NULL;
    memcpy(number, marked + 4, 9);
    return book_run((unsigned)strtoul(number, NULL, 10));
}

/* Another job's result is a stored one, and only one of them can be. */
static void search_stored(struct search *search)
{
    const struct run *run = find_marked(search->marked);
    struct cases_told *told = search->request->watcher->cases;
    if (!run || request_had(search->request, run->group))
        return;
    const struct run **stored = &told->stored[run->work.part];
    EXPECT(is_same_work(run->work, part_of_work(search->request->work, run->work.part)) &&
               run->state == RUN_COMPLETE && (!*stored || *stored == run),
           "request %u is told of run %u of another job", search->request->number, run->number);
    *stored = run;
    search_run(run, search);
}

/* What is told of its checker. */
static void check_checker(const struct request *request, const struct run *run, const struct record *record,
                          const json_t *json)
{
    const json_t *check = json_object_get(json, "checker");
    EXPECT(!check == !record->checks, "request %u is told of %s checker of '%s', and there is %s",
           request->number, check ? "the" : "no", text_of(json, "name"), check ? "none" : "one");
    if (!check)
        return;
    const char *status = report_check_status(record, run->status);
    EXPECT(!strcmp(text_of(check, "status"), status),
           "request %u is told that the checker of '%s' is '%s', not '%s'", request->number,
           text_of(json, "name"), text_of(check, "status"), status);
    EXPECT(!strcmp(text_of(check, "stdout"), text_of(json, "stderr")),
           "the checker of '%s' of request %u has printed '%s'", text_of(json, "name"), request->number,
           text_of(check, "stdout"));
}

/* A stage or case that did not run: nobody has reported it, and nothing is left that could. */
static bool may_be_skipped(const struct search *search)
{
    const struct request *request = search->request;
    return !strcmp(search->told.status, "skipped") && !request_group(request);
}

/* Whether the result of some job of a request is known, which may be a stored one. */
static bool has_result(const struct request *request)
{
    bool has = false;
    for (unsigned part = 0; part < plan_parts(request->work.plan); part++)
        has |= !request->groups[part];
    return has;
}

/* In the order of its report, unless there was another try. */
static void note_order(struct cases_told *told, const struct search *search)
{
    told->is_ordered = told->count == 0 || told->is_ordered;
    if (search->found && told->at && told->run == search->run && !search->run->live_report &&
        search->found <= told->at)
        told->is_ordered = false;
    told->run = search->run;
    told->at = search->found;
    told->count++;
}

static struct told *place_of(struct cases_told *told, const struct plan *plan, bool is_case, json_int_t index)
{
    if (index < 0 || index >= (json_int_t)(is_case ? plan->cases : plan->once))
        return NULL;
    return is_case ? &told->cases[index] : &told->stages[index];
}

void cases_on_event(struct request *request, bool is_case, const json_t *event)
{
    struct cases_told *told = request->watcher->cases;
    const json_int_t at = json_integer_value(json_object_get(event, "index"));
    EXPECT(told, "request %u is told of a stage or case, and has none", request->number);
    struct told *place = place_of(told, &plans[request->work.plan], is_case, at);
    EXPECT(place, "request %u is told of %s %lld", request->number, is_case ? "case" : "stage", at);
    EXPECT(!place->is_told, "request %u is told twice of %s %lld", request->number,
           is_case ? "case" : "stage", at);
    EXPECT(request->watcher->is_started, "request %u is told of a case before 'started'", request->number);
    struct search search = {.request = request,
                            .is_case = is_case,
                            .index = (unsigned)at,
                            .told = read_told(request, is_case, (unsigned)at, event),
                            .marked = text_of(event, "stderr")};
    EXPECT(*search.marked || !json_object_get(event, "stderr_cut") || options.results_bytes < AMPLE_BYTES,
           "there is memory for the output of request %u", request->number);
    for (unsigned part = 0; part < PARTS_MAX; part++) {
        if (request->last_groups[part])
            book_each_run(request->last_groups[part], search_run, &search);
        if (told->stored[part])
            search_run(told->stored[part], &search);
    }
    if (!search.found)
        search_stored(&search);
    EXPECT(search.found || may_be_skipped(&search) || (!*search.marked && has_result(request)),
           "request %u is told that %s %lld is '%s' ('%s', %s), which no run has reported", request->number,
           is_case ? "case" : "stage", at, search.told.status, search.told.verdict, search.marked);
    if (search.found && *search.marked)
        check_checker(request, search.run, search.found, event);
    note_order(told, &search);
    *place = keep(search.told);
    total++;
}

/* ---- results ---- */

const struct run *cases_find_run(const json_t *result)
{
    const json_t *wall = json_object_get(json_object_get(result, "usage"), "wall_ms");
    EXPECT(json_is_number(wall), "a result has no time");
    return book_run((unsigned)(json_number_value(wall) + 0.5));
}

/* What is told of a job: the members of a result, or what follows from a report. */
struct whole {
    struct told stages[PLAN_STAGES_MAX], cases[PLAN_CASES_MAX];
};

static bool is_right(struct told told)
{
    return told.verdict && !strcmp(told.verdict, "right");
}

/* A stage that is not judged has only a status. */
static const char *verdict_of_stage(struct told told)
{
    return told.verdict && *told.verdict ? told.verdict : told.status ? told.status : "";
}

static bool is_bad_stage(struct told told)
{
    const char *verdict = verdict_of_stage(told);
    return strcmp(verdict, "right") != 0 && strcmp(verdict, "ok") != 0;
}

static json_int_t count_verdict(const struct whole *whole, const struct plan *plan, const char *verdict)
{
    json_int_t count = 0;
    for (unsigned i = 0; i < plan->cases; i++) {
        const char *given = whole->cases[i].verdict;
        count += given && !strcmp(given, verdict);
    }
    return count;
}

static void check_counts(const struct request *request, const struct whole *whole, const json_t *summary)
{
    const struct plan *plan = &plans[request->work.plan];
    const char *name = NULL;
    json_t *value = NULL;
    json_int_t sum = json_integer_value(json_object_get(summary, "right"));
    EXPECT(json_integer_value(json_object_get(summary, "cases")) == plan->cases, "request %u has %u cases",
           request->number, plan->cases);
    json_object_foreach((json_t *)summary, name, value)
    {
        if (!json_is_integer(value) || !strcmp(name, "cases"))
            continue;
        sum += strcmp(name, "right") != 0 ? json_integer_value(value) : 0;
        EXPECT(!whole || json_integer_value(value) == count_verdict(whole, plan, name),
               "%lld cases of request %u are told to be %s", json_integer_value(value), request->number,
               name);
    }
    EXPECT(sum == plan->cases, "the verdicts of request %u are those of %lld cases", request->number, sum);
}

/* The summary is that of these stages and cases. */
static void check_summary(const struct request *request, const struct whole *whole, const json_t *summary)
{
    const struct plan *plan = &plans[request->work.plan];
    const char *verdict = "right", *stage = "";
    for (unsigned i = plan->cases; i-- > 0;)
        verdict = is_right(whole->cases[i]) ? verdict : verdict_of_stage(whole->cases[i]);
    for (unsigned i = plan->once; i-- > 0;) {
        if (!is_bad_stage(whole->stages[i]))
            continue;
        verdict = verdict_of_stage(whole->stages[i]);
        stage = i ? "s1" : "s0";
    }
    EXPECT(!strcmp(text_of(summary, "verdict"), verdict),
           "the verdict of request %u is told as %s, and is %s", request->number, text_of(summary, "verdict"),
           verdict);
    EXPECT(!strcmp(text_of(summary, "stage"), stage), "request %u is told that the stage '%s' has failed",
           request->number, text_of(summary, "stage"));
    check_counts(request, whole, summary);
}

/* Whether a member of a result is what a run has reported. Of a report that cannot be read to its end, the
 * last record may be missing. */
static bool is_of_run(const struct run *run, bool is_case, unsigned index, struct told told)
{
    const struct report *report = run->report;
    const struct record *record = report_find(report, NULL, is_case, index);
    bool is_last = record == report->records + report->valid - 1;
    if (!record || (report->is_broken && is_last && !strcmp(told.status, "skipped")))
        return !strcmp(told.status, "skipped");
    for (; record; record = report_find(report, record, is_case, index))
        if (is_same(told, report_outcome(record, run->status)))
            return true;
    return false;
}

/* Whether no case runs because a stage has failed. */
static bool is_stopped(const struct whole *whole, const struct plan *plan)
{
    bool is_bad = false;
    for (unsigned i = 0; i < plan->once; i++)
        is_bad |= is_bad_stage(whole->stages[i]);
    return plan->stops && is_bad;
}

/* The runs whose results are put together. NULL: it is not known, or has not ended. */
struct sources {
    const struct run *runs[PARTS_MAX];
    unsigned count;
};

/* The checker of a member of a result, if its output says which one it is. */
static void check_member(const struct request *request, const json_t *member)
{
    const char *marked = text_of(member, "stderr");
    const struct run *run = find_marked(marked);
    const struct record *record = run ? report_find_marked(run->report, run->number, marked) : NULL;
    if (record)
        check_checker(request, run, record, member);
}

/* A case is that of the run which had it. */
static bool is_right_case(const struct request *request, const struct sources *from, unsigned index,
                          struct told told)
{
    const struct run *run = from->runs[plan_part_of(request->work.plan, index)];
    bool is_cut = from->count > 1 && options.results_bytes < AMPLE_BYTES; /* it does not say of which run */
    return run ? is_of_run(run, true, index, told) : is_cut || !strcmp(told.status, "skipped");
}

/* Whether a run says that a stage has failed. */
static bool has_failed(const struct run *run, unsigned index)
{
    const struct record *record = report_find(run->report, NULL, false, index);
    const char *status = report_outcome(record, run->status).status;
    return run->report->is_plain && strcmp(status, "ok") != 0 && strcmp(status, "skipped") != 0;
}

/* All runs had the stages. If one of them has failed anywhere, it counts. */
static bool is_right_stage(const struct sources *from, unsigned index, struct told told)
{
    bool is_known = true, is_of_any = false, is_bad = false;
    for (unsigned part = 0; part < from->count; part++) {
        const struct run *run = from->runs[part];
        is_known &= run != NULL;
        is_of_any |= run && is_of_run(run, false, index, told);
        is_bad |= run && has_failed(run, index);
    }
    if (from->count == 1 && !is_known)
        return !strcmp(told.status, "skipped");
    return (is_of_any || !is_known) && !(is_bad && !strcmp(told.status, "ok"));
}

/* What `stages` or `cases` of a result say. */
static void read_members(const struct request *request, const struct sources *from, bool is_case,
                         const json_t *list, struct whole *whole)
{
    const struct plan *plan = &plans[request->work.plan];
    const unsigned count = is_case ? plan->cases : plan->once;
    struct told *members = is_case ? whole->cases : whole->stages;
    bool is_over = is_case && is_stopped(whole, plan);
    EXPECT(json_array_size(list) == count, "the result of request %u has %zu %s", request->number,
           json_array_size(list), is_case ? "cases" : "stages");
    for (unsigned i = 0; i < count; i++) {
        members[i] = read_told(request, is_case, i, json_array_get(list, i));
        bool is_skipped = !strcmp(members[i].status, "skipped");
        EXPECT(!is_over || is_skipped, "case %u of request %u comes behind a failure", i, request->number);
        bool is_right_member =
            is_case ? is_right_case(request, from, i, members[i]) : is_right_stage(from, i, members[i]);
        EXPECT((is_over && is_skipped) || is_right_member, "the result of request %u says that %s %u is '%s'",
               request->number, is_case ? "case" : "stage", i, members[i].status);
        check_member(request, json_array_get(list, i));
        is_over |= is_case && plan->stops && !is_right(members[i]);
    }
}

static void check_whole(const struct request *request, const struct sources *from, const json_t *result)
{
    struct whole whole = {0};
    const json_t *text = json_object_get(result, "stdout");
    EXPECT(json_is_string(text) && !json_string_length(text), "the result of request %u has a stdout",
           request->number);
    read_members(request, from, false, json_object_get(result, "stages"), &whole);
    read_members(request, from, true, json_object_get(result, "cases"), &whole);
    check_summary(request, &whole, json_object_get(result, "summary"));
}

/* ---- results behind events ---- */

/* What follows from a report in which each stage and case is at most once. */
static struct whole expect_whole(const struct request *request, const struct run *run)
{
    const struct plan *plan = &plans[request->work.plan];
    struct whole whole = {0};
    for (unsigned i = 0; i < plan->once; i++)
        whole.stages[i] = report_outcome(report_find(run->report, NULL, false, i), run->status);
    bool is_over = is_stopped(&whole, plan);
    for (unsigned i = 0; i < plan->cases; i++) {
        const struct record *record = is_over ? NULL : report_find(run->report, NULL, true, i);
        whole.cases[i] = report_outcome(record, run->status);
        is_over |= plan->stops && !is_right(whole.cases[i]);
    }
    return whole;
}

/* With one try whose guest does not lie, each event is what its report says. */
static void check_events(const struct request *request, const struct run *run)
{
    const struct plan *plan = &plans[request->work.plan];
    const struct cases_told *told = request->watcher->cases;
    for (unsigned i = 0; i < plan->once + plan->cases; i++) {
        bool is_case = i >= plan->once;
        unsigned index = is_case ? i - plan->once : i;
        struct told one = is_case ? told->cases[index] : told->stages[index];
        EXPECT(is_same(one, report_outcome(report_find(run->report, NULL, is_case, index), run->status)),
               "request %u was told that %s %u is '%s'", request->number, is_case ? "case" : "stage", index,
               one.status);
    }
    EXPECT(told->is_ordered, "the events of request %u are not in the order of the report", request->number);
}

static void check_behind_events(const struct request *request, const struct run *run, const json_t *result)
{
    const struct plan *plan = &plans[request->work.plan];
    const struct cases_told *told = request->watcher->cases;
    const json_t *summary = json_object_get(result, "summary");
    EXPECT(told->count == plan->once + plan->cases, "request %u was told of %u stages and cases",
           request->number, told->count);
    EXPECT(!told->stored[0] || told->stored[0] == run, "request %u was told of another run", request->number);
    check_counts(request, NULL, summary);
    if (!run || !run->report->is_plain)
        return;
    const struct whole whole = expect_whole(request, run);
    check_summary(request, &whole, summary);
    if (!run->lies && !(request_had(request, run->group) && run->group->lost))
        check_events(request, run);
}

void cases_check_result(const struct request *request, const struct run *run, const json_t *result)
{
    EXPECT(!run || run->report, "request %u gets a result without cases", request->number);
    const struct sources from = {.runs = {run}, .count = 1};
    if (request->watcher)
        check_behind_events(request, run, result);
    else
        check_whole(request, &from, result);
}

/* ---- results of several runs ---- */

/* The runs that have printed members of this list. */
static void find_printed(const json_t *list, struct sources *from)
{
    size_t at = 0;
    const json_t *member = NULL;
    json_array_foreach((json_t *)list, at, member)
    {
        const struct run *run = find_marked(text_of(member, "stderr"));
        if (run)
            from->runs[run->work.part] = run;
    }
}

static struct sources find_sources(const struct request *request, const json_t *result)
{
    const struct watcher *watcher = request->watcher;
    struct sources from = {.count = plan_parts(request->work.plan)};
    find_printed(json_object_get(result, "stages"), &from);
    find_printed(json_object_get(result, "cases"), &from);
    for (unsigned part = 0; part < from.count; part++) {
        const struct group *group = request->last_groups[part];
        const struct run *run = group ? group->last_run : NULL;
        if (!from.runs[part] && watcher)
            from.runs[part] = watcher->cases->stored[part];
        if (!from.runs[part] && run && run->state == RUN_COMPLETE)
            from.runs[part] = run;
    }
    return from;
}

void cases_check_parts(const struct request *request, const json_t *result)
{
    const struct plan *plan = &plans[request->work.plan];
    const struct sources from = find_sources(request, result);
    judge_parts(request, from.runs);
    if (!request->watcher) {
        check_whole(request, &from, result);
        return;
    }
    EXPECT(request->watcher->cases->count == plan->once + plan->cases,
           "request %u was told of %u stages and cases", request->number, request->watcher->cases->count);
    check_counts(request, NULL, json_object_get(result, "summary"));
}

/* ---- at rest ---- */

/* A run is told when the next one has ended, because its checker could follow. */
static void check_sent(const struct request *request, const struct run *run)
{
    const struct report *report = run->live_report ? run->live_report : run->report;
    struct cases_told *told = request->watcher->cases;
    bool is_readable = !run->lies || run->live_report;
    if (!is_readable || options.results_bytes < AMPLE_BYTES)
        return;
    for (unsigned i = 0; i + 1 < report->valid && report->records[i + 1].end_at <= run->live[LIVE_STDOUT];
         i++) {
        const struct record *record = &report->records[i];
        if (record->is_case && record->index - report->first_case >= report->cases)
            continue; /* it is the case of another job */
        const struct told *place = place_of(told, &plans[request->work.plan], record->is_case, record->index);
        EXPECT(!place || place->is_told, "run %u has reported %s %u, and request %u was not told",
               run->number, record->is_case ? "case" : "stage", record->index, request->number);
    }
}

void cases_check_rest(const struct request *request)
{
    for (unsigned part = 0; part < PARTS_MAX; part++) {
        const struct run *run = request->groups[part] ? request->groups[part]->run : NULL;
        EXPECT(!run || request->watcher->is_started, "request %u is not told that its job has started",
               request->number);
        if (run)
            check_sent(request, run);
    }
}

bool cases_may_be_read(const struct request *request)
{
    return request->work.plan && !request->work.api && request->is_evaluated &&
           clock_us - request->left_us <= READ_US;
}
