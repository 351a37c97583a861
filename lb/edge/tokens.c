/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and comparing tokens. */
#include "lb/edge/tokens.h"

#include "base/buffer.h"
#include "base/log.h"
#include "base/private_file.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { FILE_MAX = 64 * 1024 };

/* ---- the tokens of --token-file ---- */

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
    if (pe_private_file_read(file, FILE_MAX, &text, err) < 0 || pe_buf_append(&text, "\n", 1, err) < 0)
        return -1;
    struct pe_cursor cursor = {.at = text.data, .left = text.size};
    size_t size = 0;
    for (const uint8_t *line; (line = pe_cursor_read_until(&cursor, '\n', &size));)
        if (add_token(&fresh, line, size, err) < 0)
            return pe_fail_context(err, "%s", file);
    if (!fresh.count)
        return pe_fail(err, PE_ERR_INVALID, "%s contains no token", file);
    memcpy(tokens->digests, fresh.digests, sizeof fresh.digests);
    tokens->count = fresh.count;
    tokens->required = true;
    return 0;
}

static bool is_listed(const struct tokens *tokens, const void *token, size_t size)
{
    uint8_t digest[32];
    if (!EVP_Digest(token, size, digest, NULL, EVP_sha256(), NULL))
        return false;
    int found = 0;
    for (size_t i = 0; i < tokens->count; i++)
        found |= CRYPTO_memcmp(digest, tokens->digests[i], sizeof digest) == 0;
    return found;
}

/* ---- the tokens of hosts ---- */

/* The file of the store; zeros if there is none. */
static struct stat look_at(const char *folder)
{
    char path[PATH_MAX];
    struct stat file;
    snprintf(path, sizeof path, "%s/tokens.json", folder);
    if (stat(path, &file) < 0)
        memset(&file, 0, sizeof file);
    return file;
}

/* Each change makes another file, so its number or its time differs. */
static bool is_same_file(const struct stat *one, const struct stat *other)
{
    return one->st_ino == other->st_ino && one->st_size == other->st_size &&
           one->st_mtim.tv_sec == other->st_mtim.tv_sec && one->st_mtim.tv_nsec == other->st_mtim.tv_nsec;
}

/* When a host was connected is written only now and then, so what is known here may be later. */
static void keep_later_times(struct host_tokens *fresh, const struct host_tokens *before)
{
    for (size_t i = 0; i < before->count; i++) {
        struct host_token *token = host_tokens_find(fresh, before->items[i].host);
        if (token && !strcmp(token->token, before->items[i].token) && token->seen < before->items[i].seen)
            token->seen = before->items[i].seen;
    }
}

static int read_hosts(struct tokens *tokens, struct pe_error *err)
{
    struct host_tokens fresh;
    const struct stat file = look_at(tokens->folder); /* before it is read, so that no change is missed */
    if (host_tokens_read(tokens->folder, &fresh, err) < 0)
        return -1;
    keep_later_times(&fresh, &tokens->hosts);
    host_tokens_free(&tokens->hosts);
    tokens->hosts = fresh;
    tokens->read_from = file;
    tokens->serial++;
    return 0;
}

int tokens_use_hosts(struct tokens *tokens, const char *folder, struct pe_error *err)
{
    tokens->folder = folder;
    tokens->required = true;
    return read_hosts(tokens, err) < 0 ? pe_fail_context(err, "--tokens") : 0;
}

void tokens_refresh(struct tokens *tokens)
{
    struct pe_error err;
    if (!tokens->folder)
        return;
    const struct stat file = look_at(tokens->folder);
    if (is_same_file(&file, &tokens->read_from) || read_hosts(tokens, &err) == 0)
        return;
    tokens->read_from = file; /* so that the log says it once */
    pe_log(PE_LOG_ERROR, "%s; the host tokens that were read before stay valid", err.message);
}

/* ---- requests ---- */

/* The token in the header of a request, which is not copied; empty if there is none. */
static h2o_iovec_t token_of(const h2o_req_t *req)
{
    static const char scheme[] = "Bearer ";
    const size_t prefix = sizeof scheme - 1;
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_AUTHORIZATION, -1);
    h2o_iovec_t value = at < 0 ? h2o_iovec_init("", 0) : req->headers.entries[at].value;
    if (value.len < prefix || strncasecmp(value.base, scheme, prefix) != 0)
        return h2o_iovec_init("", 0);
    return h2o_iovec_init(value.base + prefix, value.len - prefix);
}

static bool refuse(h2o_req_t *req, const char *detail)
{
    struct pe_problem problem = problem_make("unauthorized", "%s", detail);
    http_reply_header(req, "www-authenticate", "Bearer");
    http_reply_problem(req, &problem);
    return false;
}

bool tokens_authorize(const struct tokens *tokens, h2o_req_t *req)
{
    const h2o_iovec_t token = token_of(req);
    if (!tokens->required || is_listed(tokens, token.base, token.len))
        return true;
    return refuse(req, tokens->folder ? "this path needs a token of --token-file; that of a host does not do"
                                      : "this path needs a worker token");
}

static bool is_of_host(const struct tokens *tokens, h2o_iovec_t token, struct token_identity *identity)
{
    char hash[PE_SHA256_HEX_SIZE];
    struct pe_error ignored;
    if (!tokens->folder || pe_sha256_hex(token.base, token.len, hash, &ignored) < 0)
        return false;
    const struct host_token *found = host_tokens_find_token(&tokens->hosts, hash);
    if (!found)
        return false;
    memcpy(identity->host, found->host, sizeof identity->host);
    memcpy(identity->hash, hash, sizeof identity->hash);
    return true;
}

/* Workers with the same token belong to the same owner, as far as is known. */
static void note_owner(h2o_iovec_t token, struct token_identity *identity)
{
    char hash[PE_SHA256_HEX_SIZE];
    struct pe_error ignored;
    if (token.len && pe_sha256_hex(token.base, token.len, hash, &ignored) == 0)
        snprintf(identity->owner, sizeof identity->owner, "%.16s", hash);
}

bool tokens_admit(struct tokens *tokens, h2o_req_t *req, struct token_identity *identity)
{
    const h2o_iovec_t token = token_of(req);
    *identity = (struct token_identity){.host = ""};
    note_owner(token, identity);
    tokens_refresh(tokens);
    if (!tokens->required || is_of_host(tokens, token, identity) || is_listed(tokens, token.base, token.len))
        return true;
    return refuse(req, token.len ? "the worker's token is not known to this balancer, or was revoked"
                                 : "this path needs a worker token");
}

int tokens_check_name(const struct tokens *tokens, const struct token_identity *identity, const char *name,
                      struct pe_error *err)
{
    if (identity->host[0] && strcmp(identity->host, name) != 0)
        return pe_fail(
            err, PE_ERR_INVALID,
            "the token of host '%s' does not admit a worker named '%.127s'; start it with --name %s",
            identity->host, name, identity->host);
    const struct host_token *owner = identity->host[0] ? NULL : host_tokens_find(&tokens->hosts, name);
    if (owner && owner->token[0])
        return pe_fail(
            err, PE_ERR_INVALID,
            "the name '%s' is that of a host with a token of its own; give this worker another one "
            "with --name",
            owner->host);
    return 0;
}

bool tokens_are_valid_for(const struct tokens *tokens, const struct token_identity *identity)
{
    return !identity->host[0] || host_tokens_find_token(&tokens->hosts, identity->hash);
}
