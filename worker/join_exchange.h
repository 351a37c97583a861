/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of a host that joins (POST and DELETE /v1/join). */
#ifndef PE_WORKER_JOIN_EXCHANGE_H
#define PE_WORKER_JOIN_EXCHANGE_H

#include "base/error.h"
#include "net/route.h"

#include <jansson.h>

#define JOIN_HOST_SIZE 128u

/* What the balancer answers. */
struct join_answer {
    char host[JOIN_HOST_SIZE]; /* the name that the worker must have */
    json_t *images;            /* object with `store` and `names`, owned; NULL: there are none to fetch */
};

/* Check a URL of a balancer: https, or http to this host. PE_ERR_INVALID otherwise. */
int join_check_url(const char *url, struct pe_error *err) PE_MUST_CHECK;

/* Present a code. With `token`, the host has this token from now on; NULL only looks at the code. What the
 * balancer refuses is PE_ERR_INVALID, with its words; PE_ERR_LOST if it cannot be reached, PE_ERR_BUSY if it
 * has no time, also after some tries; PE_ERR_MALFORMED if it answers something else. The caller frees
 * `answer`. */
int join_exchange(const char *url, const struct pe_route *route, const char *code, const char *token,
                  struct join_answer *answer, struct pe_error *err) PE_MUST_CHECK;

/* Give the token back, so that the code can be used again. Fails as join_exchange does, but not with
 * PE_ERR_MALFORMED. */
int join_give_back(const char *url, const struct pe_route *route, const char *token,
                   struct pe_error *err) PE_MUST_CHECK;

/* Free the answer's images. */
void join_answer_free(struct join_answer *answer);

#endif
