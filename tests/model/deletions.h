/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that have stored results deleted (DELETE /v1/results/KEY, docs/api.md#caching). They know the keys
 * from X-Result-Key in responses. */
#ifndef PE_TESTS_MODEL_DELETIONS_H
#define PE_TESTS_MODEL_DELETIONS_H

#include "tests/model/book.h"

enum { RESULT_KEY_SIZE = 65 }; /* 64 digits, and the end of the text */

/* Begin with clients that know no keys. */
void deletions_reset(void);

/* A response has this key; empty: none. */
void deletions_note_key(struct request *request, const char *key);

/* A request gets the result of a run: its key must be that of the run, and if a client had that result
 * deleted before the request came, the result must not be a stored one. */
void deletions_check_key(const struct request *request, const struct run *run);
void deletions_check_hit(const struct request *request, const struct run *run);

/* A client has a result deleted. */
void client_delete(void);

/* Whether that happens now: an audit of the result may end. */
bool deletion_is_under_way(void);

/* How many there were in this run, and how many results were deleted in all runs. */
uint64_t deletions_so_far(void);
size_t deletions_count(void);

#endif
