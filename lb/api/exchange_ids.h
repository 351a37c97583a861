/* SPDX-License-Identifier: Apache-2.0 */
/* The ids by which clients ask for their exchanges (lb/api/job_status.h). */
#ifndef PE_LB_API_EXCHANGE_IDS_H
#define PE_LB_API_EXCHANGE_IDS_H

#include "lb/edge/h2o.h"

struct exchange;
struct exchanges;

/* Give an exchange its id: the client's X-Request-Id if it consists of 32 lower-case hexadecimal
 * digits and no other exchange has it. Otherwise a random id, by which nobody can ask. */
void exchange_ids_enter(struct exchange *exchange);

/* The exchange ends: its id is unknown from now on. */
void exchange_ids_leave(struct exchange *exchange);

/* The exchange to which its client gave this id, or NULL. */
struct exchange *exchange_ids_find(const struct exchanges *exchanges, h2o_iovec_t id);

#endif
