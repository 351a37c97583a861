/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and comparing tokens. */
#include "lb/edge/tokens.h"

#include "base/buffer.h"
#include "base/io.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

enum { FILE_MAX = 64 * 1024 };

static int add_token(struct tokens *tokens, const uint8_t *token, size_t size, struct pe_error *err)
{
    while (size && strchr(" \t\r", token[size - 1]))
        size--;
    if (size == 0)
        return 0;
    if (memchr(token, '\0', size))
        return pe_fail(err, PE_ERR_INVALID, "a token contains a NUL byte");
    if (tokens->count == TOKENS_MAX)
        return pe_fail(err, PE_ERR_INVALID, "there are more than %d tokens", TOKENS_MAX);
    if (!EVP_Digest(token, size, tokens->digests[tokens->count], NULL, EVP_sha256(), NULL))
        return pe_fail(err, PE_ERR_INTERNAL, "cannot hash a token");
    tokens->count++;
    return 0;
}

int tokens_read(struct tokens *tokens, const char *file, struct pe_error *err)
{
    struct tokens fresh = {.required = true};
    pe_autobuf struct pe_buf text = {0};
    if (pe_read_file(AT_FDCWD, file, FILE_MAX, &text, err) < 0 || pe_buf_append(&text, "\n", 1, err) < 0)
        return pe_fail_context(err, "--token-file");
    struct pe_cursor cursor = {.at = text.data, .left = text.size};
    size_t size = 0;
    for (const uint8_t *line; (line = pe_cursor_read_until(&cursor, '\n', &size));)
        if (add_token(&fresh, line, size, err) < 0)
            return pe_fail_context(err, "--token-file %s", file);
    if (!fresh.count)
        return pe_fail(err, PE_ERR_INVALID, "--token-file %s contains no token", file);
    *tokens = fresh;
    return 0;
}

static bool is_valid(const struct tokens *tokens, const void *token, size_t size)
{
    uint8_t digest[32];
    if (!tokens->required)
        return true;
    if (!EVP_Digest(token, size, digest, NULL, EVP_sha256(), NULL))
        return false;
    int found = 0;
    for (size_t i = 0; i < tokens->count; i++)
        found |= CRYPTO_memcmp(digest, tokens->digests[i], sizeof digest) == 0;
    return found;
}

bool tokens_authorize(const struct tokens *tokens, h2o_req_t *req)
{
    static const char scheme[] = "Bearer ";
    size_t prefix = sizeof scheme - 1;
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_AUTHORIZATION, -1);
    h2o_iovec_t value = at < 0 ? h2o_iovec_init("", 0) : req->headers.entries[at].value;
    if (value.len >= prefix && !strncasecmp(value.base, scheme, prefix))
        value = h2o_iovec_init(value.base + prefix, value.len - prefix);
    else
        value.len = 0;
    if (is_valid(tokens, value.base, value.len))
        return true;
    struct pe_problem problem = problem_make("unauthorized", "this path needs a worker token");
    http_reply_header(req, "www-authenticate", "Bearer");
    http_reply_problem(req, &problem);
    return false;
}
