/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that ask for a job by its id, or cancel it (docs/api.md#job-status). The id is all that is needed,
 * so this may be the client that waits for the job, or a stranger. */
#ifndef PE_TESTS_MODEL_QUESTIONS_H
#define PE_TESTS_MODEL_QUESTIONS_H

#include "tests/model/http_edge.h"

#include <jansson.h>

/* What a request was answered that needs no job. */
struct answer {
    unsigned count; /* of answers */
    int status;
    json_t *json; /* NULL: the body is empty, or something else */
};

/* Begin with clients that have asked nothing. */
void questions_reset(void);

/* A client asks for a job, or cancels it. */
void client_ask(void);

/* The balancer answers a question. */
void question_answer(const struct request *asking, const char *body, size_t size);

/* Begin to ask something that is answered at once: a request whose path, headers and body are to be filled
 * in. */
struct request *question_begin(unsigned client);

/* It was given to the balancer. The answer is valid until the next question. */
const struct answer *question_end(void);

/* Whether it was refused because its client asks too often, or deletes too much. */
bool question_is_limited(unsigned client);

/* How many questions there were, and how many jobs were cancelled, in all runs. */
size_t questions_count(void);
size_t questions_canceled(void);

#endif
