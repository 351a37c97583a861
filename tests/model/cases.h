/* SPDX-License-Identifier: Apache-2.0 */
/* What a client is told about stages and cases (docs/cases.md): an event for each of them, once, as some try
 * of its job has reported it, and a result that is that of the last try. */
#ifndef PE_TESTS_MODEL_CASES_H
#define PE_TESTS_MODEL_CASES_H

#include "tests/model/report.h"

#include <jansson.h>

struct request;
struct run;

/* What one client has been told. */
struct cases_told {
    struct told stages[PLAN_STAGES_MAX], cases[PLAN_CASES_MAX];
    unsigned count;
    bool is_ordered;                     /* so far in the order of one report */
    const struct run *run;               /* which had this one */
    const struct record *at;             /* the last one of them */
    const struct run *stored[PARTS_MAX]; /* the runs of other jobs, whose results were kept; NULL: none */
};

/* A client is sent an event `stage` or `case`. */
void cases_on_event(struct request *request, bool is_case, const json_t *event);

/* The run whose result this is; NULL: the balancer has made it. */
const struct run *cases_find_run(const json_t *result);

/* A client gets the result of a run: all of it, or with events only its fields. */
void cases_check_result(const struct request *request, const struct run *run, const json_t *result);

/* The same for the result of a request whose cases were spread: it is put together of those of several runs.
 */
void cases_check_parts(const struct request *request, const json_t *result);

/* At rest: what was reported was sent to a client that reads. */
void cases_check_rest(const struct request *request);

/* Whether the result of a request may be in the making: a long report is read in pieces. */
bool cases_may_be_read(const struct request *request);

/* How many stages and cases clients were told of, in all runs. */
size_t cases_count(void);

#endif
