/* SPDX-License-Identifier: Apache-2.0 */
/* The store of host tokens. What is accepted is the same after it was written and read again, each host is
 * there once, and every hash is found. */
#include "lb/edge/host_tokens.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

static char folder[] = "/dev/shm/pe-fuzz-tokens-XXXXXX";

static void remove_folder(void)
{
    static const char *const names[] = {"tokens.json", ".tokens.json.new"};
    char path[64];
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static void write_file(const void *bytes, size_t size)
{
    char path[64];
    if (folder[sizeof folder - 2] == 'X') {
        HOLDS(mkdtemp(folder));
        atexit(remove_folder);
    }
    snprintf(path, sizeof path, "%s/tokens.json", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    HOLDS(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

static void check_token(const struct host_tokens *tokens, size_t i)
{
    struct pe_error err;
    struct host_token *token = &tokens->items[i];
    HOLDS(host_name_check(token->host, &err) == 0);
    HOLDS(i == 0 || strcmp(tokens->items[i - 1].host, token->host) < 0);
    HOLDS(host_tokens_find(tokens, token->host) == token);
    HOLDS(pe_sha256_hex_valid(token->code) && host_tokens_find_code(tokens, token->code));
    HOLDS(!token->token[0] || pe_sha256_hex_valid(token->token));
    HOLDS(!token->token[0] || host_tokens_find_token(tokens, token->token));
    HOLDS(!strcmp(host_token_state(token, 0), "joined") == (token->token[0] != '\0'));
}

/* An array with as many entries as were read: none was left out. */
static void check_count(const struct host_tokens *tokens, const uint8_t *bytes, size_t size)
{
    json_t *json = json_loadb((const char *)bytes, size, 0, NULL);
    HOLDS(json && json_array_size(json_object_get(json, "hosts")) == tokens->count);
    json_decref(json);
}

static void check_written(const struct host_tokens *tokens)
{
    struct pe_error err;
    struct host_tokens again;
    HOLDS(host_tokens_write(folder, tokens, &err) == 0);
    HOLDS(host_tokens_read(folder, &again, &err) == 0);
    HOLDS(again.count == tokens->count);
    for (size_t i = 0; i < again.count; i++) {
        const struct host_token *one = &tokens->items[i], *other = &again.items[i];
        HOLDS(!strcmp(one->host, other->host) && !strcmp(one->code, other->code));
        HOLDS(!strcmp(one->token, other->token) && one->created == other->created);
        HOLDS(one->expires == other->expires && one->joined == other->joined && one->seen == other->seen &&
              one->left == other->left);
    }
    host_tokens_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_error err;
    struct host_tokens tokens;
    write_file(bytes, size);
    if (host_tokens_read(folder, &tokens, &err) < 0) {
        HOLDS(tokens.count == 0 && !tokens.items && strstr(err.message, "tokens.json"));
        return 0;
    }
    HOLDS(tokens.count <= HOST_TOKENS_MAX);
    for (size_t i = 0; i < tokens.count; i++)
        check_token(&tokens, i);
    check_count(&tokens, bytes, size);
    check_written(&tokens);
    host_tokens_free(&tokens);
    return 0;
}
