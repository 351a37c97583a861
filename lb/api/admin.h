/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator sees of the balancer in a browser, at /admin. The page itself is static and has no
 * secrets (playground.h); everything that it shows comes from paths that need a token in the Authorization
 * header. There are no cookies, so a page of another origin cannot use the token of an operator. */
#ifndef PE_LB_API_ADMIN_H
#define PE_LB_API_ADMIN_H

#include "lb/core/job.h"
#include "lb/core/recent_errors.h"
#include "lb/edge/h2o.h"
#include "lb/edge/tokens.h"

/* GET /v1/admin: the queue, the slots, and the last errors. `tokens` are those of --admin-token-file. */
void api_admin(const struct jobs *jobs, const struct recent_errors *errors, const struct tokens *tokens,
               h2o_req_t *req);

#endif
