/* GET /openapi.json: proto/openapi.json as it was when this was built. */
#include "lb/answer.h"
#include "lb/api_info.h"

__asm__(".section .rodata\n"
        "openapi_text:\n"
        ".incbin \"proto/openapi.json\"\n"
        "openapi_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const char openapi_text[], openapi_end[];

void api_openapi(struct server *server, h2o_req_t *req)
{
    (void)server;
    answer_bytes(req, "application/json", openapi_text, (size_t)(openapi_end - openapi_text));
}
