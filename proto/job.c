/* Decoding, checking and encoding of the job description. Every field's bounds are here and nowhere else. */
#include "proto/job.h"

#include "proto/limits.h"
#include "proto/path.h"

#include <stdlib.h>
#include <string.h>

static int invalid(struct pe_error *err, const char *field, const char *what)
{
    return pe_fail(err, PE_ERR_INVALID, "field '%s' %s", field, what);
}

/* ---- strings ---- */

static int take_string(const json_t *json, const char *field, size_t max, char **out, struct pe_error *err)
{
    if (!json_is_string(json))
        return invalid(err, field, "must be a string");
    size_t length = json_string_length(json);
    if (length > max)
        return invalid(err, field, "is too long");
    if (memchr(json_string_value(json), '\0', length))
        return invalid(err, field, "has a NUL character");
    *out = strdup(json_string_value(json));
    return *out ? 0 : pe_fail_errno(err, "field '%s'", field);
}

static int take_strings(const json_t *json, const char *field, size_t most, size_t max, char ***out,
                        size_t *count, struct pe_error *err)
{
    if (!json_is_array(json))
        return invalid(err, field, "must be an array of strings");
    size_t size = json_array_size(json);
    if (size > most)
        return invalid(err, field, "has too many entries");
    *out = calloc(size + 1, sizeof **out);
    if (!*out)
        return pe_fail_errno(err, "field '%s'", field);
    for (; *count < size; ++*count)
        if (take_string(json_array_get(json, *count), field, max, &(*out)[*count], err) < 0)
            return -1;
    return 0;
}

static void free_strings(char **strings, size_t count)
{
    for (size_t i = 0; strings && i < count; i++)
        free(strings[i]);
    free(strings);
}

/* ---- the image's name ---- */

static bool spans(const char *text, size_t length, const char *set)
{
    return length > 0 && strspn(text, set) >= length;
}

bool pe_image_reference_valid(const char *name)
{
    static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char name_set[] = "abcdefghijklmnopqrstuvwxyz0123456789._/-";
    static const char tag_set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t length = strlen(name);
    if (length == 0 || length > PE_IMAGE_NAME_MAX || strstr(name, "..") || strstr(name, "//"))
        return false;
    size_t name_length = strcspn(name, ":@");
    if (!spans(name, name_length, name_set) || !memchr(lower, name[0], sizeof lower - 1) ||
        name[name_length - 1] == '/')
        return false;
    const char *rest = name + name_length;
    if (*rest == ':')
        return strlen(rest + 1) <= 128 && spans(rest + 1, strlen(rest + 1), tag_set) && rest[1] != '.' &&
               rest[1] != '-';
    if (*rest == '@')
        return !strncmp(rest, "@sha256:", 8) && strlen(rest) == 8 + 64 &&
               spans(rest + 8, 64, "0123456789abcdef");
    return true;
}

static int take_image(const json_t *json, struct pe_job *job, struct pe_error *err)
{
    char *name = NULL;
    if (take_string(json, "image", PE_IMAGE_NAME_MAX, &name, err) < 0)
        return -1;
    job->image = name;
    if (!pe_image_reference_valid(name))
        return invalid(err, "image", "must be name:tag or name@sha256:<digest>");
    if (strpbrk(name, ":@"))
        return 0;
    char *tagged = NULL;
    if (asprintf(&tagged, "%s:latest", name) < 0)
        return pe_fail_errno(err, "field 'image'");
    free(name);
    job->image = tagged;
    return 0;
}

/* ---- the other fields ---- */

static int take_cmd(const json_t *json, struct pe_job *job, struct pe_error *err)
{
    if (json_is_null(json))
        return 0;
    if (take_strings(json, "cmd", PE_ARGS_MAX, PE_TEXT_MAX, &job->cmd, &job->cmd_count, err) < 0)
        return -1;
    if (job->cmd_count == 0 || !job->cmd[0][0])
        return invalid(err, "cmd", "is empty; leave it out for the image's default command");
    return 0;
}

static int take_env(const json_t *json, struct pe_job *job, struct pe_error *err)
{
    if (!json_is_object(json))
        return invalid(err, "env", "must be an object of strings");
    if (json_object_size(json) > PE_ENV_MAX)
        return invalid(err, "env", "has too many entries");
    job->env = calloc(json_object_size(json) + 1, sizeof *job->env);
    if (!job->env)
        return pe_fail_errno(err, "field 'env'");
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)json, key, value)
    {
        char *text = NULL;
        if (!*key || strlen(key) > PE_PATH_COMPONENT_MAX || strchr(key, '='))
            return invalid(err, "env", "has a name that is empty, too long or contains '='");
        if (take_string(value, "env", PE_TEXT_MAX, &text, err) < 0)
            return -1;
        int made = asprintf(&job->env[job->env_count], "%s=%s", key, text);
        free(text);
        if (made < 0)
            return pe_fail_errno(err, "field 'env'");
        job->env_count++;
    }
    return 0;
}

static int take_stdin(const json_t *json, struct pe_job *job, struct pe_error *err)
{
    struct pe_path path;
    if (json_is_null(json))
        return 0;
    if (take_string(json, "stdin", PE_PATH_MAX, &job->stdin_name, err) < 0)
        return -1;
    if (pe_path_parse(job->stdin_name, strlen(job->stdin_name), 1, &path, err) < 0)
        return pe_fail_context(err, "field 'stdin'");
    return 0;
}

static int take_timeout(const json_t *json, struct pe_job *job, struct pe_error *err)
{
    if (!json_is_integer(json))
        return invalid(err, "timeout_ms", "must be a whole number of milliseconds");
    json_int_t value = json_integer_value(json);
    if (value < 1 || value > PE_TIMEOUT_MS_MAX)
        return pe_fail(err, PE_ERR_INVALID, "field 'timeout_ms' must be from 1 to %u", PE_TIMEOUT_MS_MAX);
    job->timeout_ms = (uint32_t)value;
    return 0;
}

static bool is_empty(const char *text)
{
    return !text || !*text;
}

static int take_outputs(const json_t *json, struct pe_job *job, struct pe_error *err)
{
    if (take_strings(json, "outputs", PE_GLOBS_MAX, PE_PATH_MAX, &job->outputs, &job->output_count, err) < 0)
        return -1;
    for (size_t i = 0; i < job->output_count; i++)
        if (is_empty(job->outputs[i]))
            return invalid(err, "outputs", "has an empty glob");
    return 0;
}

static int take_cache(const json_t *json, struct pe_job *job, struct pe_error *err)
{
    if (!json_is_boolean(json))
        return invalid(err, "cache", "must be true or false");
    job->cache = json_is_true(json);
    return 0;
}

static const struct field {
    const char *name;
    int (*take)(const json_t *json, struct pe_job *job, struct pe_error *err);
} fields[] = {
    {"image", take_image},        {"cmd", take_cmd},         {"env", take_env},     {"stdin", take_stdin},
    {"timeout_ms", take_timeout}, {"outputs", take_outputs}, {"cache", take_cache},
};

static int take_field(const char *name, const json_t *value, struct pe_job *job, struct pe_error *err)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!strcmp(fields[i].name, name))
            return fields[i].take(value, job, err);
    char shown[64];
    return pe_fail(err, PE_ERR_INVALID, "unknown field '%s'",
                   pe_path_printable(name, strlen(name), shown, sizeof shown));
}

int pe_job_from_json(const json_t *json, struct pe_job *job, struct pe_error *err)
{
    *job = (struct pe_job){.timeout_ms = PE_TIMEOUT_MS_DEFAULT, .cache = true};
    if (!json_is_object(json))
        return pe_fail(err, PE_ERR_INVALID, "the job must be a JSON object");
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)json, name, value)
    {
        if (take_field(name, value, job, err) < 0)
            return -1;
    }
    return job->image ? 0 : invalid(err, "image", "is missing");
}

int pe_job_decode(const char *text, size_t size, struct pe_job *job, struct pe_error *err)
{
    *job = (struct pe_job){0};
    json_error_t where;
    pe_autojson json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);
    if (!json)
        return pe_fail(err, PE_ERR_MALFORMED, "the job is not JSON: line %d, column %d: %s", where.line,
                       where.column, where.text);
    return pe_job_from_json(json, job, err);
}

static json_t *strings_to_json(char *const *strings, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < count; i++)
        if (json_array_append_new(array, json_string(strings[i])) < 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *env_to_json(const struct pe_job *job)
{
    json_t *env = json_object();
    for (size_t i = 0; env && i < job->env_count; i++) {
        const char *equals = strchr(job->env[i], '=');
        char *key = strndup(job->env[i], (size_t)(equals - job->env[i]));
        int failed = !key || json_object_set_new(env, key, json_string(equals + 1)) < 0;
        free(key);
        if (failed) {
            json_decref(env);
            return NULL;
        }
    }
    return env;
}

json_t *pe_job_to_json(const struct pe_job *job)
{
    json_t *json = json_pack("{s:s, s:o, s:i, s:b}", "image", job->image, "env", env_to_json(job),
                             "timeout_ms", (int)job->timeout_ms, "cache", job->cache);
    int failed = !json;
    if (!failed && job->cmd)
        failed |= json_object_set_new(json, "cmd", strings_to_json(job->cmd, job->cmd_count));
    if (!failed && job->stdin_name)
        failed |= json_object_set_new(json, "stdin", json_string(job->stdin_name));
    if (!failed && job->output_count)
        failed |= json_object_set_new(json, "outputs", strings_to_json(job->outputs, job->output_count));
    if (!failed)
        return json;
    json_decref(json);
    return NULL;
}

void pe_job_free(struct pe_job *job)
{
    free(job->image);
    free_strings(job->cmd, job->cmd_count + (job->cmd ? 1 : 0));
    free_strings(job->env, job->env_count);
    free(job->stdin_name);
    free_strings(job->outputs, job->output_count + (job->outputs ? 1 : 0));
    *job = (struct pe_job){0};
}
