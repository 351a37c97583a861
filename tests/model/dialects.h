/* SPDX-License-Identifier: Apache-2.0 */
/* Requests in the forms of Piston (docs/piston.md) and of the Model Context Protocol (docs/agents.md). What
 * must be answered is decided as for all other requests; here is what clients send, and whether the answer
 * has the right form. */
#ifndef PE_TESTS_MODEL_DIALECTS_H
#define PE_TESTS_MODEL_DIALECTS_H

#include "tests/model/http_edge.h"

#include <jansson.h>

/* Connect both APIs to the balancer. */
void dialects_start(void);

/* The metadata of an image for Piston: a new reference. */
json_t *dialects_runtimes(unsigned image);

/* Choose what a request of one of these APIs wants, and what it sends. */
void dialect_choose(struct request *request);

/* Choose what a session of Piston wants. Returns its first message, a new reference. */
json_t *dialect_choose_connect(struct request *request);

/* Give it to the balancer. */
void dialect_send(struct request *request);

/* The workers were looked at for a request of Piston: they decide which image is meant. */
void dialect_resolve(struct request *request);

/* Whether a worker has what a request needs. */
bool request_is_known(const struct request *request);

/* ---- dialect_answers.c ---- */

/* A problem as the reply to a request: check its form, and put the problem that it stands for into
 * `problem_text`. */
void dialect_read_problem(struct request *request, const char *body, size_t size);

/* The complete response of a request, without events. */
void dialect_check_result(const struct request *request);

/* An event of the Model Context Protocol: the type of the event that it stands for, and what is known of it,
 * a new reference. */
const char *mcp_read_event(struct request *request, const json_t *message, json_t **event);

/* The run that the last event is the result of. */
const struct run *mcp_find_run(const struct request *request, const json_t *message);

/* How many requests there were of each kind, in all runs. */
size_t dialects_count(enum api api);

#endif
