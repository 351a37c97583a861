/* SPDX-License-Identifier: Apache-2.0 */
/* Files of tokens. Each token of a file that is accepted authorizes a request, and no other text does. */
#include "base/cleanup.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"
#include "lb/edge/tokens.h"
#include "tests/fuzz/fake_request.h"

/* Nothing is sent: refusals do not matter here. */
void http_reply_header(h2o_req_t *req, const char *name, const char *value)
{
    (void)req, (void)name, (void)value;
}

void http_reply_problem(h2o_req_t *req, const struct pe_problem *problem)
{
    (void)req, (void)problem;
}

static bool authorizes(const struct tokens *tokens, const void *token, size_t size)
{
    struct fake_request fake;
    pe_autofree char *value = malloc(size + 7);
    HOLDS(value);
    memcpy(value, "bearer ", 7);
    memcpy(value + 7, token, size);
    fake_begin(&fake);
    h2o_add_header(&fake.req.pool, &fake.req.headers, H2O_TOKEN_AUTHORIZATION, NULL, value, size + 7);
    bool authorized = tokens_authorize(tokens, &fake.req);
    h2o_mem_clear_pool(&fake.req.pool);
    return authorized;
}

/* Every line without the blanks at its end is a token, unless nothing is left of it. */
static void check_lines(const struct tokens *tokens, struct pe_cursor rest)
{
    size_t count = 0;
    while (rest.left) {
        pe_autofree char *line = fuzz_line(&rest);
        size_t size = strlen(line);
        while (size && strchr(" \t\r", line[size - 1]))
            size--;
        count += size > 0;
        HOLDS(size == 0 || authorizes(tokens, line, size));
        HOLDS(!authorizes(tokens, line, 0));
    }
    HOLDS(count == tokens->count && count >= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char path[32];
    struct tokens tokens = {.required = true};
    struct pe_error err;
    pe_autoclose int fd = fuzz_file(bytes, size);
    HOLDS(fchmod(fd, 0600) == 0); /* others may read a memfd, and such a file is refused */
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (tokens_read(&tokens, path, &err) == 0)
        check_lines(&tokens, (struct pe_cursor){.at = bytes, .left = size});
    HOLDS(!authorizes(&tokens, "no line of a file has\nthis", 26));
    return 0;
}
