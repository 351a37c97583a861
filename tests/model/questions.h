/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that ask for a job by its id, or cancel it (docs/api.md#job-status). The id is all that is needed,
 * so this may be the client that waits for the job, or a stranger. */
#ifndef PE_TESTS_MODEL_QUESTIONS_H
#define PE_TESTS_MODEL_QUESTIONS_H

#include "tests/model/http_edge.h"

/* Begin with clients that have asked nothing. */
void questions_reset(void);

/* A client asks for a job, or cancels it. */
void client_ask(void);

/* The balancer answers a question. */
void question_answer(const struct request *question, const char *body, size_t size);

/* How many questions there were, and how many jobs were cancelled, in all runs. */
size_t questions_count(void);
size_t questions_canceled(void);

#endif
