/* SPDX-License-Identifier: Apache-2.0 */
/* The file of keys, and the comparison. How a key reaches the balancer is lb/api/access.c's part. */
#include "lb/core/api_keys.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/private_file.h"
#include "codec/json_bounds.h"
#include "proto/job_spec.h"
#include "proto/json_dump.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PREFIX "pek_"
#define HEX_DIGITS "0123456789abcdef"

enum {
    FILE_MAX = 4 * 1024 * 1024,
    VALUES_MAX = 16 * API_KEYS_MAX,
    ID_DIGITS = CLIENT_KEY_ID_SIZE - 1,
    SECRET_DIGITS = 64,
    QUOTA_MAX = 1000000000,
};

/* ---- the form of a key ---- */

static bool is_hex(const char *text, size_t digits)
{
    for (size_t i = 0; i < digits; i++)
        if (!text[i] || !strchr(HEX_DIGITS, text[i]))
            return false;
    return true;
}

static bool is_formed(const char *text, size_t size)
{
    const char *id = text + strlen(PREFIX);
    return size == API_KEY_SIZE - 1 && !memcmp(text, PREFIX, strlen(PREFIX)) && is_hex(id, ID_DIGITS) &&
           id[ID_DIGITS] == '_' && is_hex(id + ID_DIGITS + 1, SECRET_DIGITS);
}

static int compare_ids(const void *left, const void *right)
{
    const struct api_key *a = left, *b = right;
    return memcmp(a->id, b->id, ID_DIGITS);
}

const struct api_key *api_keys_find(const struct api_keys *keys, const char *text, size_t size)
{
    struct api_key wanted = {.id = ""};
    uint8_t digest[sizeof wanted.digest];
    if (!keys->count || !is_formed(text, size))
        return NULL;
    memcpy(wanted.id, text + strlen(PREFIX), ID_DIGITS);
    const struct api_key *found = bsearch(&wanted, keys->items, keys->count, sizeof *found, compare_ids);
    if (!found || !EVP_Digest(text, size, digest, NULL, EVP_sha256(), NULL))
        return NULL;
    return CRYPTO_memcmp(digest, found->digest, sizeof digest) == 0 ? found : NULL;
}

/* ---- names ---- */

static bool is_name(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-@";
    size_t size = strlen(name);
    return size > 0 && size < CLIENT_KEY_NAME_SIZE && name[strspn(name, allowed)] == '\0';
}

static int check_name(const char *name, struct pe_error *err)
{
    return is_name(name) ? 0
                         : pe_fail(err, PE_ERR_INVALID,
                                   "'%.80s' is not the name of a key: use 1 to %d letters, digits, '.', '-', "
                                   "'_' and '@'",
                                   name, CLIENT_KEY_NAME_SIZE - 1);
}

static struct api_key *find_named(const struct api_keys *keys, const char *name)
{
    for (size_t i = 0; i < keys->count; i++)
        if (!strcmp(keys->items[i].name, name) || !strcmp(keys->items[i].id, name))
            return &keys->items[i];
    return NULL;
}

/* ---- the list ---- */

void api_keys_free(struct api_keys *keys)
{
    free(keys->items);
    *keys = (struct api_keys){0};
}

static int append(struct api_keys *keys, const struct api_key *key, struct pe_error *err)
{
    if (keys->count >= API_KEYS_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "there are %d keys already; revoke some of them", API_KEYS_MAX);
    if (find_named(keys, key->name) || find_named(keys, key->id))
        return pe_fail(err, PE_ERR_INVALID, "there is a key named '%s' already", key->name);
    struct api_key *items = reallocarray(keys->items, keys->count + 1, sizeof *items);
    if (!items)
        return pe_fail_errno(err, "cannot keep %zu keys", keys->count + 1);
    keys->items = items;
    items[keys->count++] = *key;
    return 0;
}

static void sort(struct api_keys *keys)
{
    if (keys->count)
        qsort(keys->items, keys->count, sizeof *keys->items, compare_ids);
}

int api_keys_add(struct api_keys *keys, const char *name, const struct client_limits *limits,
                 char text[API_KEY_SIZE], struct pe_error *err)
{
    struct api_key key = {.created = (int64_t)time(NULL), .limits = *limits};
    char secret[SECRET_DIGITS + 1];
    if (check_name(name, err) < 0)
        return -1;
    snprintf(key.name, sizeof key.name, "%s", name);
    pe_random_hex(key.id, ID_DIGITS / 2);
    pe_random_hex(secret, SECRET_DIGITS / 2);
    snprintf(text, API_KEY_SIZE, PREFIX "%s_%s", key.id, secret);
    if (!EVP_Digest(text, API_KEY_SIZE - 1, key.digest, NULL, EVP_sha256(), NULL))
        return pe_fail(err, PE_ERR_INTERNAL, "cannot hash a key");
    if (append(keys, &key, err) < 0)
        return -1;
    sort(keys);
    return 0;
}

int api_keys_remove(struct api_keys *keys, const char *name, struct pe_error *err)
{
    struct api_key *key = find_named(keys, name);
    if (!key)
        return pe_fail(err, PE_ERR_NOT_FOUND, "there is no key named '%.80s'; `pe-lb key list` lists them",
                       name);
    size_t at = (size_t)(key - keys->items);
    memmove(key, key + 1, (--keys->count - at) * sizeof *key);
    return 0;
}

/* ---- reading ---- */

static int read_digest(const char *text, uint8_t digest[32])
{
    if (!text || strlen(text) != SECRET_DIGITS || !is_hex(text, SECRET_DIGITS))
        return -1;
    for (size_t i = 0; i < 32; i++) {
        const char *high = strchr(HEX_DIGITS, text[2 * i]), *low = strchr(HEX_DIGITS, text[2 * i + 1]);
        digest[i] = (uint8_t)(((high - HEX_DIGITS) << 4) | (low - HEX_DIGITS));
    }
    return 0;
}

static int read_quota(const json_t *entry, const char *name, uint64_t *quota, struct pe_error *err)
{
    const json_t *value = json_object_get(entry, name);
    if (!value)
        return 0;
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 1 || number > QUOTA_MAX)
        return pe_fail(err, PE_ERR_INVALID, "'%s' must be a number from 1 to %d", name, QUOTA_MAX);
    *quota = (uint64_t)number;
    return 0;
}

static int read_key(const json_t *entry, struct api_key *key, struct pe_error *err)
{
    const char *name = json_string_value(json_object_get(entry, "name"));
    const char *id = json_string_value(json_object_get(entry, "id"));
    *key = (struct api_key){.created = json_integer_value(json_object_get(entry, "created"))};
    if (check_name(name ? name : "", err) < 0)
        return -1;
    if (!id || strlen(id) != ID_DIGITS || !is_hex(id, ID_DIGITS) ||
        read_digest(json_string_value(json_object_get(entry, "sha256")), key->digest) < 0)
        return pe_fail(err, PE_ERR_INVALID, "'id' needs %d hex digits, and 'sha256' %d", ID_DIGITS,
                       SECRET_DIGITS);
    snprintf(key->name, sizeof key->name, "%s", name);
    memcpy(key->id, id, ID_DIGITS);
    return read_quota(entry, "jobs_per_minute", &key->limits.rate, err) < 0 ||
                   read_quota(entry, "cpu_seconds_per_day", &key->limits.cpu_s, err) < 0 ||
                   read_quota(entry, "concurrent_jobs", &key->limits.jobs, err) < 0
               ? -1
               : 0;
}

static int read_keys(struct api_keys *keys, const json_t *list, struct pe_error *err)
{
    size_t i = 0;
    const json_t *entry = NULL;
    if (!json_is_array(list))
        return pe_fail(err, PE_ERR_INVALID, "it must be an object with an array 'keys'");
    json_array_foreach(list, i, entry)
    {
        struct api_key key;
        if (read_key(entry, &key, err) < 0 || append(keys, &key, err) < 0)
            return pe_fail_context(err, "key number %zu", i + 1);
    }
    sort(keys);
    return 0;
}

int api_keys_read(struct api_keys *keys, const char *file, struct pe_error *err)
{
    struct api_keys fresh = {0};
    json_error_t where;
    pe_autobuf struct pe_buf text = {0};
    if (pe_private_file_read(file, FILE_MAX, &text, err) < 0)
        return -1;
    if (text.size) {
        if (pe_json_check_bounds(text.data, text.size, VALUES_MAX, err) < 0)
            return pe_fail_context(err, "%s", file);
        pe_autojson json_t *json =
            json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &where);
        if (!json)
            return pe_fail(err, PE_ERR_INVALID, "%s is not JSON: line %d: %s", file, where.line, where.text);
        if (read_keys(&fresh, json_object_get(json, "keys"), err) < 0) {
            api_keys_free(&fresh);
            return pe_fail_context(err, "%s", file);
        }
    }
    api_keys_free(keys);
    *keys = fresh;
    return 0;
}

/* ---- writing ---- */

static int set_quota(json_t *entry, const char *name, uint64_t quota)
{
    return quota ? json_object_set_new(entry, name, json_integer((json_int_t)quota)) : 0;
}

static json_t *key_to_json(const struct api_key *key)
{
    char digest[SECRET_DIGITS + 1];
    for (size_t i = 0; i < sizeof key->digest; i++)
        snprintf(digest + 2 * i, 3, "%02x", key->digest[i]);
    pe_autojson json_t *entry = json_pack("{s:s, s:s, s:s, s:I}", "name", key->name, "id", key->id, "sha256",
                                          digest, "created", (json_int_t)key->created);
    if (set_quota(entry, "jobs_per_minute", key->limits.rate) < 0 ||
        set_quota(entry, "cpu_seconds_per_day", key->limits.cpu_s) < 0 ||
        set_quota(entry, "concurrent_jobs", key->limits.jobs) < 0)
        return NULL;
    return json_incref(entry);
}

int api_keys_write(const struct api_keys *keys, const char *file, struct pe_error *err)
{
    pe_autojson json_t *json = json_pack("{s:[]}", "keys");
    for (size_t i = 0; i < keys->count; i++)
        if (json_array_append_new(json_object_get(json, "keys"), key_to_json(&keys->items[i])) < 0)
            return pe_fail(err, PE_ERR_INTERNAL, "out of memory for %zu keys", keys->count);
    pe_autofree char *text = pe_json_dump(json, JSON_INDENT(2));
    pe_autobuf struct pe_buf lines = {0};
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for %zu keys", keys->count);
    if (pe_buf_printf(&lines, err, "%s\n", text) < 0)
        return -1;
    return pe_private_file_replace(file, lines.data, lines.size, err);
}
