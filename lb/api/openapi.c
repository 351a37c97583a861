/* SPDX-License-Identifier: Apache-2.0 */
/* GET /openapi.json: proto/openapi.json, included when this file is assembled. */
#include "lb/api/info.h"
#include "lb/edge/http_reply.h"

#include <string.h>

__asm__(".section .rodata\n"
        "openapi_text:\n"
        ".incbin \"proto/openapi.json\"\n"
        ".byte 0\n"
        ".previous\n");

extern const char openapi_text[]; /* NUL-terminated */

void api_openapi(struct body_streams *streams, h2o_req_t *req)
{
    http_reply_header(req, "cache-control", "no-store");
    body_stream_send_constant(streams, req, "application/json", openapi_text, strlen(openapi_text));
}
