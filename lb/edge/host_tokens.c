/* SPDX-License-Identifier: Apache-2.0 */
/* The file of host tokens: reading, locking, writing. Who may do what with a token is in lb/edge/tokens.c. */
#include "lb/edge/host_tokens.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "codec/json_bounds.h"
#include "proto/job_spec.h"
#include "proto/json_dump.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "tokens.json"
#define NEW_NAME ".tokens.json.new"
#define LOCK_NAME ".lock"
#define FILE_MAX (8u << 20)
#define FILE_VALUES_MAX (HOST_TOKENS_MAX * 16u)

static const char *const time_names[] = {"created", "expires", "joined", "seen", "left"};

static int64_t *time_of(struct host_token *token, size_t index)
{
    int64_t *const times[] = {&token->created, &token->expires, &token->joined, &token->seen, &token->left};
    return times[index];
}

/* ---- entries ---- */

void host_tokens_free(struct host_tokens *tokens)
{
    free(tokens->items);
    *tokens = (struct host_tokens){0};
}

static int compare_host(const void *host, const void *token)
{
    return strcmp(host, ((const struct host_token *)token)->host);
}

struct host_token *host_tokens_find(const struct host_tokens *tokens, const char *host)
{
    return tokens->count ? bsearch(host, tokens->items, tokens->count, sizeof *tokens->items, compare_host)
                         : NULL;
}

struct host_token *host_tokens_find_code(const struct host_tokens *tokens, const char *hash)
{
    for (size_t i = 0; i < tokens->count; i++)
        if (!strcmp(tokens->items[i].code, hash))
            return &tokens->items[i];
    return NULL;
}

struct host_token *host_tokens_find_token(const struct host_tokens *tokens, const char *hash)
{
    for (size_t i = 0; i < tokens->count; i++)
        if (tokens->items[i].token[0] && !strcmp(tokens->items[i].token, hash))
            return &tokens->items[i];
    return NULL;
}

int host_tokens_add(struct host_tokens *tokens, const struct host_token *token, struct pe_error *err)
{
    if (tokens->count == HOST_TOKENS_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE,
                       "there are %d hosts already; revoke the tokens of some with `pe-lb token revoke`",
                       HOST_TOKENS_MAX);
    struct host_token *items = realloc(tokens->items, (tokens->count + 1) * sizeof *items);
    if (!items)
        return pe_fail_errno(err, "host tokens");
    size_t at = tokens->count;
    while (at && strcmp(items[at - 1].host, token->host) > 0)
        at--;
    memmove(items + at + 1, items + at, (tokens->count - at) * sizeof *items);
    items[at] = *token;
    tokens->items = items;
    tokens->count++;
    return 0;
}

void host_tokens_remove(struct host_tokens *tokens, struct host_token *token)
{
    const size_t behind = (size_t)(tokens->items + tokens->count - token) - 1;
    memmove(token, token + 1, behind * sizeof *token);
    tokens->count--;
}

int host_name_check(const char *name, struct pe_error *err)
{
    const size_t size = strlen(name);
    bool fits = size > 0 && size < HOST_NAME_SIZE && isalnum((unsigned char)name[0]);
    for (size_t i = 0; i < size && fits; i++)
        fits = isalnum((unsigned char)name[i]) || strchr(".-_", name[i]);
    return fits ? 0
                : pe_fail(err, PE_ERR_INVALID,
                          "'%.140s' is no name of a host: it must have up to %u letters, digits, '.', '-' "
                          "and '_', and begin with a letter or a digit",
                          name, HOST_NAME_SIZE - 1);
}

const char *host_token_state(const struct host_token *token, int64_t now)
{
    return token->token[0] ? "joined" : now < token->expires ? "waiting" : "expired";
}

/* ---- reading ---- */

static bool read_hash(const json_t *json, const char *name, char hash[PE_SHA256_HEX_SIZE])
{
    const char *text = json_string_value(json_object_get(json, name));
    if (!text || !pe_sha256_hex_valid(text))
        return false;
    memcpy(hash, text, PE_SHA256_HEX_SIZE);
    return true;
}

static int read_entry(const json_t *json, struct host_tokens *tokens, struct pe_error *err)
{
    struct host_token token = {.joined = 0};
    const char *host = json_string_value(json_object_get(json, "host"));
    if (!host || host_name_check(host, err) < 0 || host_tokens_find(tokens, host) ||
        !read_hash(json, "code", token.code))
        return pe_fail(err, PE_ERR_MALFORMED, "an entry has no valid host and code, or the host of another");
    snprintf(token.host, sizeof token.host, "%s", host);
    if (json_object_get(json, "token") && !read_hash(json, "token", token.token))
        return pe_fail(err, PE_ERR_MALFORMED, "the token of host '%s' is no hash", host);
    for (size_t i = 0; i < sizeof time_names / sizeof *time_names; i++)
        *time_of(&token, i) = json_integer_value(json_object_get(json, time_names[i]));
    return host_tokens_add(tokens, &token, err);
}

static int parse(const struct pe_buf *text, struct host_tokens *tokens, struct pe_error *err)
{
    json_error_t where;
    size_t i = 0;
    const json_t *entry = NULL;
    if (pe_json_check_bounds(text->data, text->size, FILE_VALUES_MAX, err) < 0)
        return -1;
    pe_autojson json_t *json = json_loadb((const char *)text->data, text->size, 0, &where);
    const json_t *hosts = json_object_get(json, "hosts");
    if (!json_is_array(hosts))
        return pe_fail(err, PE_ERR_MALFORMED, "it is no JSON object with an array 'hosts'");
    json_array_foreach(hosts, i, entry)
    {
        if (read_entry(entry, tokens, err) < 0)
            return -1;
    }
    return 0;
}

int host_tokens_read(const char *folder, struct host_tokens *tokens, struct pe_error *err)
{
    char path[PATH_MAX];
    pe_autobuf struct pe_buf text = {0};
    *tokens = (struct host_tokens){0};
    snprintf(path, sizeof path, "%s/" FILE_NAME, folder);
    if (pe_read_file(AT_FDCWD, path, FILE_MAX, &text, err) < 0)
        return err->kind == PE_ERR_NOT_FOUND ? 0 : -1;
    if (parse(&text, tokens, err) == 0)
        return 0;
    host_tokens_free(tokens);
    return pe_fail_context(err,
                           "the host tokens in %s are damaged; restore the file, or remove it and let "
                           "all hosts join again",
                           path);
}

/* ---- writing ---- */

/* Whether the owner of what root creates has to be changed, and to whom. */
static bool find_owner(int at, const char *folder, struct stat *owner)
{
    return geteuid() == 0 && fstatat(at, folder, owner, 0) == 0 && owner->st_uid != 0;
}

static int make_folder(const char *folder, struct pe_error *err)
{
    char above[PATH_MAX];
    struct stat owner;
    if (mkdir(folder, 0700) < 0)
        return errno == EEXIST ? 0 : pe_fail_errno(err, "cannot create the folder of host tokens %s", folder);
    snprintf(above, sizeof above, "%s/..", folder);
    if (find_owner(AT_FDCWD, above, &owner) && chown(folder, owner.st_uid, owner.st_gid) < 0)
        return pe_fail_errno(err, "cannot give the folder %s to the user of the balancer", folder);
    return 0;
}

/* Open a file of the folder for writing, for the user of the balancer. */
static int open_own(const char *folder, const char *name, int flags, struct pe_error *err)
{
    char path[PATH_MAX];
    struct stat owner;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    pe_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    if (fd < 0)
        return pe_fail_errno(err, "cannot open %s", path);
    if (find_owner(AT_FDCWD, folder, &owner) && fchown(fd, owner.st_uid, owner.st_gid) < 0)
        return pe_fail_errno(err, "cannot give %s to the user of the balancer", path);
    return pe_steal_fd(&fd);
}

int host_tokens_lock(const char *folder, bool wait, struct pe_error *err)
{
    if (make_folder(folder, err) < 0)
        return -1;
    pe_autoclose int fd = open_own(folder, LOCK_NAME, 0, err);
    if (fd < 0)
        return -1;
    while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0) {
        if (errno == EWOULDBLOCK)
            return pe_fail(err, PE_ERR_BUSY, "the host tokens are being changed; try again");
        if (errno != EINTR)
            return pe_fail_errno(err, "cannot lock the host tokens in %s", folder);
    }
    return pe_steal_fd(&fd);
}

static json_t *entry_to_json(struct host_token *token)
{
    pe_autojson json_t *entry = json_pack("{s:s, s:s}", "host", token->host, "code", token->code);
    if (token->token[0] && json_object_set_new(entry, "token", json_string(token->token)) < 0)
        return NULL;
    for (size_t i = 0; i < sizeof time_names / sizeof *time_names; i++)
        if (*time_of(token, i) &&
            json_object_set_new(entry, time_names[i], json_integer(*time_of(token, i))) < 0)
            return NULL;
    return json_incref(entry);
}

static json_t *to_json(const struct host_tokens *tokens)
{
    pe_autojson json_t *hosts = json_array();
    for (size_t i = 0; i < tokens->count; i++)
        if (json_array_append_new(hosts, entry_to_json(&tokens->items[i])) < 0)
            return NULL;
    return json_pack("{s:O}", "hosts", hosts);
}

/* Write the text to the open file `fresh`, and give it the name `path`. */
static int write_and_rename(int fd, const char *text, const char *fresh, const char *path,
                            struct pe_error *err)
{
    if (pe_write_all(fd, text, strlen(text), fresh, err) < 0)
        return -1;
    return fsync(fd) == 0 && rename(fresh, path) == 0 ? 0 : pe_fail_errno(err, "cannot replace %s", path);
}

int host_tokens_write(const char *folder, const struct host_tokens *tokens, struct pe_error *err)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    pe_autojson json_t *json = to_json(tokens);
    pe_autofree char *text = pe_json_dump(json, JSON_INDENT(1));
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the host tokens");
    snprintf(path, sizeof path, "%s/" FILE_NAME, folder);
    snprintf(fresh, sizeof fresh, "%s/" NEW_NAME, folder);
    pe_autoclose int fd = open_own(folder, NEW_NAME, O_TRUNC, err);
    if (fd < 0)
        return -1;
    if (write_and_rename(fd, text, fresh, path, err) < 0) {
        unlink(fresh);
        return -1;
    }
    pe_autoclose int parent = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0 || fsync(parent) < 0)
        return pe_fail_errno(err, "cannot write %s to the disk", path);
    return 0;
}
