/* GET /openapi.json: proto/openapi.json as it was when this was built. */
#include "lb/api/info.h"
#include "lb/edge/http_reply.h"

#include <string.h>

__asm__(".section .rodata\n"
        "openapi_text:\n"
        ".incbin \"proto/openapi.json\"\n"
        ".byte 0\n"
        ".previous\n");

extern const char openapi_text[]; /* ends with a NUL */

void api_openapi(struct server *server, h2o_req_t *req)
{
    (void)server;
    http_reply_bytes(req, "application/json", openapi_text, strlen(openapi_text));
}
