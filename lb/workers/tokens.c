/* Reading and comparing tokens. */
#include "lb/workers/tokens.h"

#include "base/buffer.h"
#include "base/io.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

enum { FILE_MAX = 64 * 1024 };

static int add_token(struct tokens *tokens, const uint8_t *token, size_t size, struct pe_error *err)
{
    while (size && strchr(" \t\r", token[size - 1]))
        size--;
    if (size == 0)
        return 0;
    if (memchr(token, '\0', size))
        return pe_fail(err, PE_ERR_INVALID, "a token has a NUL byte");
    if (tokens->count == TOKENS_MAX)
        return pe_fail(err, PE_ERR_INVALID, "more than %d tokens", TOKENS_MAX);
    if (!EVP_Digest(token, size, tokens->digests[tokens->count], NULL, EVP_sha256(), NULL))
        return pe_fail(err, PE_ERR_INTERNAL, "hashing a token");
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
        return pe_fail(err, PE_ERR_INVALID, "--token-file %s holds no token", file);
    *tokens = fresh;
    return 0;
}

bool tokens_accept(const struct tokens *tokens, const void *token, size_t size)
{
    uint8_t digest[32];
    if (!tokens->required)
        return true;
    if (!EVP_Digest(token, size, digest, NULL, EVP_sha256(), NULL))
        return false;
    int fits = 0;
    for (size_t i = 0; i < tokens->count; i++)
        fits |= CRYPTO_memcmp(digest, tokens->digests[i], sizeof digest) == 0;
    return fits;
}
