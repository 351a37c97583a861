/* SPDX-License-Identifier: Apache-2.0 */
/* Building a catalog entry. proto/image.c decides in the end whether it is valid. */
#include "image/catalog_entry.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "image/placeholders.h"
#include "image/users.h"
#include "proto/job_spec.h"
#include "proto/metadata.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static json_t *array_or_empty(json_t *value)
{
    return json_is_array(value) ? json_incref(value) : json_array();
}

static int set_text(json_t *fields, const char *field, const json_t *config, const char *key,
                    struct pe_error *err)
{
    const json_t *value = json_object_get(config, key);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return pe_fail(err, PE_ERR_MALFORMED, "'%s' of the image's configuration is not a string", key);
    return json_object_set(fields, field, (json_t *)value) == 0
               ? 0
               : pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

/* ---- metadata ---- */

/* Add the fields of a pe.json, which may have come from a file or from labels. */
static int add_metadata(json_t *fields, const json_t *metadata, struct pe_error *err)
{
    static const char *const known[] = {"description", "default_cmd", "commands",   "warmup",
                                        "env",         "working_dir", "categories", "inputs",
                                        "outputs",     "examples",    "options",    "piston"};
    const char *key = NULL;
    json_t *value = NULL;
    if (!json_is_object(metadata))
        return pe_fail(err, PE_ERR_MALFORMED, "the metadata is not a JSON object");
    /* The working directory of the image belongs to the image's own command. */
    if (json_object_get(metadata, "default_cmd"))
        json_object_del(fields, "working_dir");
    json_object_foreach((json_t *)metadata, key, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found |= !strcmp(key, known[i]);
        if (!found)
            return pe_fail(err, PE_ERR_INVALID,
                           "the metadata has an unknown field '%s'; docs/images.md lists all fields", key);
        if (json_object_set(fields, key, value) < 0)
            return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    }
    /* The values are checked here, where the message can name their source, and not only in the
     * finished entry. */
    json_t *checked = NULL;
    int failed = pe_metadata_parse(metadata, &checked, err);
    json_decref(checked);
    return failed < 0 ? -1 : placeholders_check(metadata, err);
}

/* ---- labels ---- */

/* Add a label to the metadata `all`. Its text is JSON; only a description may be plain text. */
static int add_label(json_t *all, const char *field, const char *text, struct pe_error *err)
{
    json_error_t where;
    pe_autojson json_t *value = json_loads(text, JSON_DECODE_ANY, &where);
    if (!value && !strcmp(field, "description"))
        value = json_string(text);
    if (!value)
        return pe_fail(err, PE_ERR_MALFORMED, "the image's label pe.%s is not JSON: %s", field, where.text);
    bool whole = !strcmp(field, "json");
    if (whole && !json_is_object(value))
        return pe_fail(err, PE_ERR_MALFORMED, "the image's label pe.json is not a JSON object");
    int failed = whole ? json_object_update(all, value) : json_object_set(all, field, value);
    return failed ? pe_fail(err, PE_ERR_INTERNAL, "out of memory for the image's labels") : 0;
}

static int add_labels(json_t *fields, json_t *labels, struct pe_error *err)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_t *described = json_object_get(labels, "org.opencontainers.image.description");
    if (json_is_string(described) && json_object_set(fields, "description", described) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    pe_autojson json_t *all = json_object();
    json_object_foreach(labels, key, value)
    {
        if (!strncmp(key, "pe.", 3) && json_is_string(value) &&
            add_label(all, key + 3, json_string_value(value), err) < 0)
            return -1;
    }
    return add_metadata(fields, all, err);
}

/* ---- configuration ---- */

int catalog_entry_add_config(json_t *fields, const json_t *config, struct pe_error *err)
{
    const json_t *run = json_object_get(config, "config");
    pe_autojson json_t *entrypoint = array_or_empty(json_object_get(run, "Entrypoint"));
    pe_autojson json_t *cmd = array_or_empty(json_object_get(run, "Cmd"));
    pe_autojson json_t *env = array_or_empty(json_object_get(run, "Env"));
    pe_autojson json_t *both = json_copy(entrypoint);
    if (!both || json_array_extend(both, cmd) < 0 || json_object_set(fields, "entrypoint", entrypoint) < 0 ||
        json_object_set(fields, "cmd", cmd) < 0 || json_object_set(fields, "default_cmd", both) < 0 ||
        json_object_set(fields, "env", env) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the image's configuration");
    const json_t *user = json_object_get(run, "User");
    if (json_is_string(user) && json_object_set_new(fields, "user", json_pack("{s:O}", "name", user)) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    if (set_text(fields, "working_dir", run, "WorkingDir", err) < 0 ||
        set_text(fields, "stop_signal", run, "StopSignal", err) < 0 ||
        set_text(fields, "architecture", config, "architecture", err) < 0)
        return -1;
    return add_labels(fields, json_object_get(run, "Labels"), err);
}

/* ---- pe.json ---- */

static json_t *parse_json(const struct pe_buf *text, const char *name, struct pe_error *err)
{
    json_error_t where;
    json_t *json = json_loadb((const char *)text->data, text->size, JSON_REJECT_DUPLICATES, &where);
    if (!json)
        pe_fail(err, PE_ERR_MALFORMED, "%s is not valid JSON: line %d: %s", name, where.line, where.text);
    return json;
}

int catalog_entry_add_text(json_t *fields, const struct pe_buf *text, const char *name, struct pe_error *err)
{
    pe_autojson json_t *json = parse_json(text, name, err);
    if (!json)
        return -1;
    return add_metadata(fields, json, err) < 0 ? pe_fail_context(err, "%s", name) : 0;
}

static int inline_example_file(json_t *example, const char *beside, struct pe_error *err)
{
    char path[PATH_MAX];
    const char *relative = json_string_value(json_object_get(example, "path"));
    const char *slash = strrchr(beside, '/');
    if (!relative)
        return 0;
    int n = snprintf(path, sizeof path, "%.*s%s", slash ? (int)(slash - beside) + 1 : 0, beside, relative);
    if (n < 0 || (size_t)n >= sizeof path)
        return pe_fail(err, PE_ERR_INVALID, "the path of the example file %s is too long", relative);
    pe_autobuf struct pe_buf text = {0};
    if (pe_read_file(AT_FDCWD, path, CATALOG_ENTRY_FILE_MAX, &text, err) < 0)
        return -1;
    if (json_object_set_new(example, "text", json_stringn((const char *)text.data, text.size)) < 0 ||
        json_object_del(example, "path") < 0)
        return pe_fail(err, PE_ERR_INVALID, "the example file %s is not UTF-8 text", path);
    return 0;
}

int catalog_entry_add_user_file(json_t *fields, const char *path, struct pe_error *err)
{
    size_t i = 0;
    json_t *example = NULL;
    pe_autobuf struct pe_buf text = {0};
    if (pe_read_file(AT_FDCWD, path, CATALOG_ENTRY_FILE_MAX, &text, err) < 0)
        return -1;
    pe_autojson json_t *json = parse_json(&text, path, err);
    if (!json)
        return -1;
    json_array_foreach(json_object_get(json, "examples"), i, example)
    {
        if (inline_example_file(example, path, err) < 0)
            return pe_fail_context(err, "%s", path);
    }
    return add_metadata(fields, json, err) < 0 ? pe_fail_context(err, "%s", path) : 0;
}

/* ---- the entry ---- */

static bool has_home(const struct pe_image *image)
{
    for (size_t i = 0; i < image->env_count; i++)
        if (!strncmp(image->env[i], "HOME=", 5))
            return true;
    return false;
}

/* Container runtimes set HOME to the home directory of the user, as login(1) does. */
static int add_home(json_t *fields, const char *path, struct pe_error *err)
{
    json_t *env = json_object_get(fields, "env");
    return json_array_append_new(env, json_sprintf("HOME=%s", path)) == 0
               ? 0
               : pe_fail(err, PE_ERR_INVALID, "the home directory of the image's user is not valid UTF-8");
}

int catalog_entry_to_image(json_t *fields, const struct flatten_result *made, struct pe_image *image,
                           struct pe_error *err)
{
    struct users_home home;
    struct pe_image_user user;
    if (!json_object_get(fields, "env") && json_object_set_new(fields, "env", json_array()) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    if (json_object_set_new(fields, "digest", json_string(made->digest)) < 0 ||
        json_object_set_new(fields, "rootfs_bytes", json_integer((json_int_t)made->rootfs_bytes)) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    if (pe_image_from_json(fields, image, err) < 0)
        return -1;
    /* The ids go to a local variable first, because `image` is made again when HOME is added to its
     * environment. */
    if (users_resolve(image->user.name, &made->passwd, &made->group, &user, &home, err) < 0)
        return -1;
    if (*image->user.name && home.path[0] == '/' && !has_home(image)) {
        pe_image_free(image);
        if (add_home(fields, home.path, err) < 0 || pe_image_from_json(fields, image, err) < 0)
            return -1;
    }
    user.name = image->user.name;
    image->user = user;
    return 0;
}
