/* SPDX-License-Identifier: Apache-2.0 */
/* Checking runtimes. The same rules apply when pe-image imports an image and when a worker lists
 * its images. */
#include "proto/runtimes.h"

#include "codec/semver.h"
#include "proto/json_excerpt.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

enum { WORDS_MAX = 64, OUTPUT_BYTES_MAX = PE_STDOUT_BYTES_MAX / 4, OPEN_FILES_MAX = 4096 };

const char *const pe_runtime_limit_names[PE_RUNTIME_LIMITS] = {
    "compile_memory_limit", "run_memory_limit",  "compile_timeout", "run_timeout",    "compile_cpu_time",
    "run_cpu_time",         "max_process_count", "max_file_size",   "max_open_files", "output_max_size",
};

/* What a limit can be. A stage without a limit of its own is limited by the job. */
static const struct {
    int64_t least, most;
} ranges[PE_RUNTIME_LIMITS] = {
    [PE_LIMIT_COMPILE_MEMORY] = {-1, (int64_t)PE_GUEST_MEMORY_MIB *PE_MIB},
    [PE_LIMIT_RUN_MEMORY] = {-1, (int64_t)PE_GUEST_MEMORY_MIB *PE_MIB},
    [PE_LIMIT_COMPILE_TIMEOUT] = {1, PE_STAGE_MS_MAX},
    [PE_LIMIT_RUN_TIMEOUT] = {1, PE_STAGE_MS_MAX},
    [PE_LIMIT_COMPILE_CPU] = {1, PE_STAGE_MS_MAX},
    [PE_LIMIT_RUN_CPU] = {1, PE_STAGE_MS_MAX},
    [PE_LIMIT_PROCESSES] = {1, PE_PIDS_MAX},
    [PE_LIMIT_FILE_SIZE] = {1, PE_SCRATCH_BYTES_MAX},
    [PE_LIMIT_OPEN_FILES] = {1, OPEN_FILES_MAX},
    [PE_LIMIT_OUTPUT] = {1, OUTPUT_BYTES_MAX},
};

const char *pe_runtime_limits_text(char text[PE_RUNTIME_LIMITS_TEXT])
{
    text[0] = '\0';
    for (size_t i = 0, used = 0; i < PE_RUNTIME_LIMITS; i++)
        used += (size_t)snprintf(text + used, PE_RUNTIME_LIMITS_TEXT - used, "%s%s %lld", i ? ", " : "",
                                 pe_runtime_limit_names[i], (long long)ranges[i].most);
    return text;
}

static int unknown_limit(const char *name, struct pe_error *err)
{
    char limits[PE_RUNTIME_LIMITS_TEXT];
    return pe_fail(err, PE_ERR_INVALID, "there is no limit '%.64s'; the limits and their maxima are %s", name,
                   pe_runtime_limits_text(limits));
}

int pe_runtime_limit_set(struct pe_runtime_limits *limits, const char *name, int64_t value,
                         struct pe_error *err)
{
    for (int i = 0; i < PE_RUNTIME_LIMITS; i++) {
        if (strcmp(name, pe_runtime_limit_names[i]) != 0)
            continue;
        if (value < ranges[i].least || value > ranges[i].most)
            return pe_fail(err, PE_ERR_INVALID, "%s must be from %lld to %lld, not %lld", name,
                           (long long)ranges[i].least, (long long)ranges[i].most, (long long)value);
        limits->value[i] = value;
        return 0;
    }
    return unknown_limit(name, err);
}

static int wrong(struct pe_error *err, const char *field, const char *what)
{
    return pe_fail(err, PE_ERR_MALFORMED, "metadata field '%s': %s", field, what);
}

/* Languages, versions and similar names, which are copied into messages and responses. */
static bool is_name(const json_t *value)
{
    size_t size = json_string_length(value);
    if (!json_is_string(value) || size == 0 || size > PE_RUNTIME_NAME_MAX)
        return false;
    for (size_t i = 0; i < size; i++)
        if (json_string_value(value)[i] <= ' ' || json_string_value(value)[i] > '~')
            return false;
    return true;
}

static bool is_version(const json_t *value)
{
    struct pe_semver version;
    return is_name(value) && pe_semver_parse(json_string_value(value), &version);
}

static bool are_names(const json_t *value)
{
    size_t i = 0;
    const json_t *name = NULL;
    json_array_foreach(value, i, name)
    {
        if (!is_name(name))
            return false;
    }
    return json_is_array(value) && json_array_size(value) <= WORDS_MAX;
}

static bool are_words(const json_t *value)
{
    size_t i = 0;
    const json_t *argument = NULL;
    json_array_foreach(value, i, argument)
    {
        if (!json_is_string(argument) || strlen(json_string_value(argument)) != json_string_length(argument))
            return false;
    }
    return json_array_size(value) > 0 && json_array_size(value) <= WORDS_MAX &&
           json_string_length(json_array_get(value, 0)) > 0;
}

static bool is_object(const json_t *value)
{
    return json_is_object(value);
}

static int check_limits(const json_t *value, struct pe_error *err)
{
    struct pe_runtime_limits limits;
    const char *name = NULL;
    json_t *limit = NULL;
    char text[PE_JSON_EXCERPT_SIZE];
    json_object_foreach((json_t *)value, name, limit)
    {
        if (!json_is_integer(limit))
            return pe_fail(err, PE_ERR_MALFORMED, "%.64s must be an integer, not %s", name,
                           pe_json_excerpt(limit, text));
        if (pe_runtime_limit_set(&limits, name, json_integer_value(limit), err) < 0)
            return -1;
    }
    return 0;
}

static const struct key {
    const char *name;
    bool required;
    bool (*is_valid)(const json_t *value);
    const char *rule; /* completes "must be ..." */
} keys[] = {
    {"language", true, is_name, "a name of 1 to 64 printable ASCII characters without spaces"},
    {"version", true, is_version, "a complete semantic version such as \"14.2.0\""},
    {"run", true, are_words, "an array of 1 to 64 strings, the first of which is not empty"},
    {"compile", false, are_words, "an array of 1 to 64 strings, the first of which is not empty"},
    {"aliases", false, are_names,
     "an array of at most 64 names, each of 1 to 64 printable ASCII characters without spaces"},
    {"runtime", false, is_name, "a name of 1 to 64 printable ASCII characters without spaces"},
    {"limit_overrides", false, is_object, "an object with limits"},
};

static int check_keys(const json_t *runtime, struct pe_error *err)
{
    const char *name = NULL;
    json_t *ignored = NULL;
    json_object_foreach((json_t *)runtime, name, ignored)
    {
        bool known = false;
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            known |= !strcmp(name, keys[i].name);
        if (!known)
            return pe_fail(err, PE_ERR_MALFORMED, "a runtime has an unknown key '%.64s'", name);
    }
    return 0;
}

static int check_runtime(const json_t *runtime, struct pe_error *err)
{
    char text[PE_JSON_EXCERPT_SIZE];
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(runtime, keys[i].name);
        if (!value && keys[i].required)
            return pe_fail(err, PE_ERR_MALFORMED, "'%s' is missing; it must be %s", keys[i].name,
                           keys[i].rule);
        if (value && !keys[i].is_valid(value))
            return pe_fail(err, PE_ERR_MALFORMED, "'%s' must be %s, not %s", keys[i].name, keys[i].rule,
                           pe_json_excerpt(value, text));
    }
    if (check_limits(json_object_get(runtime, "limit_overrides"), err) < 0)
        return pe_fail_context(err, "'limit_overrides'");
    return check_keys(runtime, err);
}

int pe_runtimes_check(const char *field, const json_t *value, struct pe_error *err)
{
    size_t i = 0;
    const json_t *runtime = NULL;
    if (!json_is_array(value) || json_array_size(value) > PE_RUNTIMES_MAX)
        return wrong(err, field, "it must be an array of objects");
    json_array_foreach(value, i, runtime)
    {
        if (!json_is_object(runtime))
            return wrong(err, field, "it must be an array of objects");
        if (check_runtime(runtime, err) < 0) {
            pe_fail_context(err, "metadata field '%s', entry %zu", field, i + 1);
            err->kind = PE_ERR_MALFORMED;
            return -1;
        }
    }
    return 0;
}
