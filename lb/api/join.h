/* SPDX-License-Identifier: Apache-2.0 */
/* POST and DELETE /v1/join: a new host exchanges a join code for a token, and gives it back. */
#ifndef PE_LB_API_JOIN_H
#define PE_LB_API_JOIN_H

#include "lb/api/host_images.h"
#include "lb/edge/h2o.h"
#include "lb/edge/tokens.h"

/* Handle the request. The body of a POST is an object with `code`, and with `token_sha256` if the host joins;
 * without it, the code is only looked at. The answer names the host, and the images that it should have. 404
 * if the balancer has no store of host tokens, 403 if the code is not valid. */
void api_join(struct tokens *tokens, const struct host_images *images, h2o_req_t *req);

#endif
