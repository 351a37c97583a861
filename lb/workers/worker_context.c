/* SPDX-License-Identifier: Apache-2.0 */
/* Admission of workers. */
#include "lb/workers/worker_context.h"

#include "base/log.h"
#include "lb/edge/connection.h"

bool worker_admit(const struct worker_context *context, h2o_req_t *req, const char **client_key)
{
    if (!tokens_authorize(context->tokens, req)) {
        pe_log(PE_LOG_WARN, "a worker without a valid token was refused");
        return false;
    }
    if (!ws_server_check_handshake(&context->ws, req, client_key))
        return false;
    if (context->tokens->required)
        connection_is_of_worker(connection_of_request(req));
    return true;
}
