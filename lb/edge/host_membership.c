/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the store of host tokens that workers ask for. Those of operators are in lb/token_command.c. */
#include "lb/edge/host_membership.h"

#include "base/cleanup.h"
#include "base/time_text.h"

#include <string.h>

/* Read the store into `fresh` while it is locked. Returns the lock. This process must not wait: it serves
 * others. */
static int begin(const struct tokens *tokens, struct host_tokens *fresh, struct pe_error *err)
{
    pe_autoclose int lock = host_tokens_lock(tokens->folder, false, err);
    if (lock < 0 || host_tokens_read(tokens->folder, fresh, err) < 0)
        return -1;
    return pe_steal_fd(&lock);
}

static int finish(struct tokens *tokens, const struct host_tokens *fresh, struct pe_error *err)
{
    if (host_tokens_write(tokens->folder, fresh, err) < 0)
        return -1;
    tokens_refresh(tokens);
    return 0;
}

/* ---- joining ---- */

static int check_code(const struct host_token *host, const char *token_hash, int64_t now,
                      struct pe_error *err)
{
    char text[PE_TIME_TEXT_SIZE];
    if (!host)
        return pe_fail(err, PE_ERR_INVALID,
                       "this balancer does not know the join code: it was mistyped, is for another balancer, "
                       "was revoked or was replaced by a newer one; ask the operator for a new one");
    if (host->token[0] && token_hash && !strcmp(host->token, token_hash))
        return 0;
    if (host->token[0])
        return pe_fail(
            err, PE_ERR_INVALID,
            "the join code was used already, at %s, by host '%s'; if that was not you, the operator "
            "should run `pe-lb token revoke --host %s`, and make a new code",
            pe_time_text(host->joined, text), host->host, host->host);
    if (now >= host->expires)
        return pe_fail(err, PE_ERR_INVALID,
                       "the join code expired at %s; ask the operator for a new one (`pe-lb token new --host "
                       "%s`)",
                       pe_time_text(host->expires, text), host->host);
    if (token_hash && now == host->left)
        return pe_fail(err, PE_ERR_BUSY, "host '%s' has just given its token back; try again", host->host);
    return 0;
}

/* Give the host a token while the store is locked. Another process may have changed it. */
static int admit(struct tokens *tokens, const char *code_hash, const char *token_hash, int64_t now,
                 struct host_token *host, struct pe_error *err)
{
    host_autotokens struct host_tokens fresh = {0};
    pe_autoclose int lock = begin(tokens, &fresh, err);
    if (lock < 0)
        return -1;
    struct host_token *found = host_tokens_find_code(&fresh, code_hash);
    if (check_code(found, token_hash, now, err) < 0)
        return -1;
    const bool is_new = !found->token[0];
    memcpy(found->token, token_hash, sizeof found->token);
    found->joined = is_new ? now : found->joined;
    *host = *found;
    return is_new ? finish(tokens, &fresh, err) : 0;
}

/* Anyone may send a code, and a host may send its own again and again: only one that lets a host in costs
 * more than a look at what this process knows. */
int host_join(struct tokens *tokens, const char *code, const char *token_hash, int64_t now,
              struct host_token *host, struct pe_error *err)
{
    char hash[PE_SHA256_HEX_SIZE];
    if (pe_sha256_hex(code, strlen(code), hash, err) < 0)
        return -1;
    tokens_refresh(tokens);
    const struct host_token *found = host_tokens_find_code(&tokens->hosts, hash);
    if (check_code(found, token_hash, now, err) < 0)
        return -1;
    if (token_hash && !found->token[0])
        return admit(tokens, hash, token_hash, now, host, err);
    *host = *found;
    return 0;
}

int host_leave(struct tokens *tokens, const struct token_identity *identity, int64_t now,
               struct pe_error *err)
{
    host_autotokens struct host_tokens fresh = {0};
    pe_autoclose int lock = begin(tokens, &fresh, err);
    if (lock < 0)
        return -1;
    struct host_token *found = host_tokens_find_token(&fresh, identity->hash);
    if (!found)
        return 0; /* it was revoked meanwhile */
    found->token[0] = '\0';
    found->joined = found->seen = 0;
    found->left = now;
    return finish(tokens, &fresh, err);
}

int host_write_seen(struct tokens *tokens, struct pe_error *err)
{
    host_autotokens struct host_tokens fresh = {0};
    bool changed = false;
    pe_autoclose int lock = begin(tokens, &fresh, err);
    if (lock < 0)
        return -1;
    for (size_t i = 0; i < fresh.count; i++) {
        struct host_token *token = &fresh.items[i];
        const struct host_token *known = host_tokens_find(&tokens->hosts, token->host);
        if (!known || strcmp(known->token, token->token) != 0 || known->seen <= token->seen)
            continue;
        token->seen = known->seen;
        changed = true;
    }
    return changed ? finish(tokens, &fresh, err) : 0;
}
