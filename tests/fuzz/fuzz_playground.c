/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for the playground's files. The first line of the input is a path, the others are headers.
 * There is one response. It is compressed only if Accept-Encoding names that coding, and says "not
 * modified" only if If-None-Match has the tag. */
#include "lb/api/info.h"
#include "lb/api/playground.h"
#include "lb/edge/http_reply.h"
#include "tests/fuzz/fake_body.h"
#include "tests/fuzz/fake_request.h"

static struct {
    unsigned responses;
    int status;
    char etag[64], coding[16];
} sent;

void http_reply_header(h2o_req_t *req, const char *name, const char *value)
{
    (void)req;
    if (!strcmp(name, "etag"))
        snprintf(sent.etag, sizeof sent.etag, "%s", value);
    if (!strcmp(name, "content-encoding"))
        snprintf(sent.coding, sizeof sent.coding, "%s", value);
}

void http_reply_problem(h2o_req_t *req, const struct pe_problem *problem)
{
    (void)req;
    sent.responses++;
    sent.status = problem->status;
}

void api_about(h2o_req_t *req)
{
    (void)req;
    sent.responses++;
}

/* In the place of libh2o's own function. */
void h2o_send_inline(h2o_req_t *req, const char *body, size_t size)
{
    sent.responses++;
    sent.status = req->res.status;
    HOLDS(size == 0 && !*body);
}

static struct static_files *files(void)
{
#define CONTENT(text)                                                  \
    {                                                                  \
        .data = (uint8_t *)(uintptr_t)(text), .size = sizeof(text) - 1 \
    }
    static struct static_file list[] = {
        {.path = "/", .type = "text/html", .etag = "page", .content = {CONTENT("page")}},
        {.path = "/assets/a.js",
         .type = "text/javascript",
         .etag = "script",
         .content = {CONTENT("plain"), CONTENT("gzip"), CONTENT("br")}}};
    static struct static_files all = {.refs = 1, .files = list, .count = 2};
    return &all;
}

/* "*" stands for every value. */
static bool allows(const h2o_req_t *req, const char *name, const char *value)
{
    return fake_header_has(req, name, value) || fake_header_has(req, name, "*");
}

static void check(const h2o_req_t *req)
{
    HOLDS(sent.responses + fake_bodies == 1 && files()->refs == 1);
    if (sent.coding[0]) {
        size_t size = strlen(sent.coding);
        HOLDS(allows(req, "accept-encoding", sent.coding));
        HOLDS(!fake_bodies || (fake_body.size == size && !memcmp(fake_body.data, sent.coding, size)));
    }
    if (sent.status == 304)
        HOLDS(allows(req, "if-none-match", sent.etag));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_cursor rest = {.at = bytes, .left = size};
    char *path = fuzz_line(&rest);
    struct fake_request fake;
    memset(&sent, 0, sizeof sent);
    fake_bodies = 0;
    fake_begin(&fake);
    fake_add_headers(&fake, rest);
    fake.req.path_normalized = h2o_iovec_init(path, strlen(path));
    if (*path) { /* libh2o's is never empty */
        playground_handle(files(), NULL, &fake.req);
        check(&fake.req);
    }
    fake_end(&fake);
    free(path);
    return 0;
}
