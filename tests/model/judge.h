/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what the balancer does to a request is right: that it is let in or refused, that it shares a
 * job or gets one of its own, and every kind of answer. */
#ifndef PE_TESTS_MODEL_JUDGE_H
#define PE_TESTS_MODEL_JUDGE_H

#include "tests/model/http_edge.h"

struct run;

/* Begin again. */
void judge_reset(void);

/* A request is about to be given to the balancer, and was given to it. */
void judge_arrival(struct request *request);
void judge_accepted(struct request *request);

/* A job was made for a part of a request, or the part has joined a job. */
void judge_new_group(const struct request *request, unsigned part);
void judge_joined(const struct request *request, unsigned part, const struct group *group);

/* A response begins, is complete, is broken off, or is a problem; a request ends. */
void judge_start(struct request *request);
void judge_final(const struct request *request);
void judge_abort(const struct request *request);
void judge_problem(struct request *request);
void judge_end(const struct request *request);

/* A request is about to be told a problem. The one that stands for a result which the balancer has made comes
 * behind the end of the job, others before it. */
void judge_before_problem(const struct pe_problem *problem);

/* A request is refused because of the limits of its client. */
void judge_limited(const struct request *request);

/* A response of events tells the result of a run. NULL: the balancer has made it. */
void judge_event_result(struct request *request, const struct run *run, bool is_cached);

/* A result is made of those of several runs, one of each part. NULL: it is not known, or there is none. */
void judge_parts(const struct request *request, const struct run *const runs[PARTS_MAX]);

/* The run whose complete stdout is in these bytes, or NULL. */
const struct run *judge_find_run(const uint8_t *bytes, size_t size);

/* The run whose stdout begins with these bytes, or NULL if there are none. */
const struct run *judge_find_begun(const uint8_t *bytes, size_t size);

/* What waits, and the memory that it needs. */
struct waiting {
    size_t jobs, bytes; /* jobs in the queue, and requests that have joined a job or wait for workers */
    size_t queued, queued_bytes; /* only the jobs in the queue */
};

/* Count what waits now. */
struct waiting judge_waiting(void);

/* How long a request has waited without a slot. */
uint64_t judge_waited_us(const struct request *request);

#endif
