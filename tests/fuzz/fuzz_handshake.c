/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that ask for a WebSocket. The lines of the input are headers. A request is accepted or
 * answered, and what is accepted has the version and the protocol that this service speaks. */
#include "lb/edge/http_reply.h"
#include "lb/edge/ws_server.h"
#include "proto/slot.h"
#include "tests/fuzz/fake_request.h"

static unsigned problems;

void http_reply_header(h2o_req_t *req, const char *name, const char *value)
{
    (void)req, (void)name, (void)value;
}

void http_reply_problem(h2o_req_t *req, const struct pe_problem *problem)
{
    (void)req;
    HOLDS(problem->status == 400);
    problems++;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fake_request fake;
    const char *key = NULL;
    fake_begin(&fake);
    fake_add_headers(&fake, (struct pe_cursor){.at = bytes, .left = size});
    h2o_iovec_t upgrade = h2o_iovec_init(H2O_STRLIT("websocket"));
    ssize_t at = h2o_find_header(&fake.req.headers, H2O_TOKEN_UPGRADE, -1);
    fake.req.upgrade = at < 0 ? h2o_iovec_init(NULL, 0) : upgrade;
    fake.req.method = h2o_iovec_init(H2O_STRLIT("GET"));
    problems = 0;
    const struct ws_context context = {.subprotocol = PE_SLOT_SUBPROTOCOL};
    bool accepted = ws_server_check_handshake(&context, &fake.req, &key);
    HOLDS(accepted == (problems == 0));
    if (accepted) {
        HOLDS(key && fake_header_has(&fake.req, "sec-websocket-version", "13"));
        HOLDS(fake_header_has(&fake.req, "sec-websocket-protocol", PE_SLOT_SUBPROTOCOL));
    }
    fake_end(&fake);
    return 0;
}
