/* SPDX-License-Identifier: Apache-2.0 */
/* From options to the JSON text of a job. Each option that is given sets a field. A job file has other
 * fields, and none of these. */
#include "cli/job.h"

#include "base/cleanup.h"
#include "cli/case_job.h"
#include "cli/job_file.h"
#include "codec/json_list.h"
#include "proto/job_spec.h"
#include "proto/limits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void cli_job_free(struct cli_job *job)
{
    free(job->text);
    free(job->image);
    *job = (struct cli_job){0};
}

/* ---- fields ---- */

/* JSON texts, and so the texts of a job, must be UTF-8. */
static json_t *text_to_json(const char *text, const char *what, struct pe_error *err)
{
    json_t *json = json_string(text);
    if (!json)
        pe_fail(err, PE_ERR_INVALID, "%s is not valid UTF-8", what);
    return json;
}

static int set_text(json_t *object, const char *key, const char *text, struct pe_error *err)
{
    json_t *value = text_to_json(text, key, err);
    if (!value)
        return -1;
    return json_object_set_new(object, key, value) == 0 ? 0 : pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

static int set_env(json_t *job, const struct pe_option_list *list, struct pe_error *err)
{
    pe_autojson json_t *env = json_object();
    for (size_t i = 0; i < list->count; i++) {
        const char *equals = strchr(list->items[i], '=');
        if (!equals || equals == list->items[i])
            return pe_fail(err, PE_ERR_INVALID, "--env takes KEY=VALUE, not '%s'", list->items[i]);
        pe_autofree char *key = strndup(list->items[i], (size_t)(equals - list->items[i]));
        json_t *value = text_to_json(equals + 1, "a value of --env", err);
        if (!value)
            return -1;
        if (!key || json_object_set_new(env, key, value) < 0)
            return pe_fail(err, PE_ERR_INVALID, "--env '%s' is not valid UTF-8", list->items[i]);
    }
    return json_object_set(job, "env", env) == 0 ? 0 : pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

static int set_command(json_t *job, const struct cli_options *options, struct pe_error *err)
{
    pe_autojson json_t *command = json_array();
    for (size_t i = 0; i < options->command_count; i++) {
        json_t *argument = text_to_json(options->command[i], "an argument of the command", err);
        if (!argument)
            return -1;
        pe_json_list_add(&command, argument);
    }
    return json_object_set(job, "cmd", command) == 0 ? 0 : pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

/* The server decides how long an interactive job, or one with stages, may really last. */
static int set_timeout(json_t *job, const struct cli_options *options, struct pe_error *err)
{
    const unsigned max_ms = options->interactive || options->job ? PE_INTERACTIVE_MS_MAX
                            : options->cases                     ? PE_STAGE_MS_MAX
                                                                 : PE_TIMEOUT_MS_MAX;
    char *end = NULL;
    double seconds = strtod(options->timeout, &end);
    if (end == options->timeout || *end || !isfinite(seconds) || seconds < 0.001 || seconds * 1000 > max_ms)
        return pe_fail(err, PE_ERR_INVALID, "--timeout takes seconds from 0.001 to %u, not '%s'",
                       max_ms / 1000, options->timeout);
    return json_object_set_new(job, "timeout_ms", json_integer((json_int_t)(seconds * 1000 + 0.5))) == 0
               ? 0
               : pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

/* Set the field of a limit, given as NAME=N. The range is checked together with the other fields of the
 * job. */
static int set_limit(json_t *job, const char *limit, bool has_cases, struct pe_error *err)
{
    static const struct {
        const char *prefix, *field;
        int unit;       /* of N, in that of the field */
        bool of_a_case; /* a job without stages does not have it */
    } limits[] = {{"processes=", "process_limit", 1, false},
                  {"stack=", "stack_limit_kib", 1, false},
                  {"stdout=", "stdout_max", 1024, false},
                  {"stderr=", "stderr_max", 1024, false},
                  {"cpu=", "cpu_ms", 1, true},
                  {"memory=", "memory_mib", 1, true}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        size_t length = strlen(limits[i].prefix);
        if (strncmp(limit, limits[i].prefix, length) != 0)
            continue;
        if (limits[i].of_a_case && !has_cases)
            return pe_fail(err, PE_ERR_INVALID, "--limit %s is for the cases of --cases", limit);
        const char *number = limit + length;
        size_t digits = strspn(number, "0123456789");
        if (digits == 0 || digits > 9 || number[digits])
            break;
        json_t *value = json_integer((json_int_t)strtol(number, NULL, 10) * limits[i].unit);
        return json_object_set_new(job, limits[i].field, value) == 0
                   ? 0
                   : pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    }
    return pe_fail(err, PE_ERR_INVALID,
                   "--limit takes processes=N, stack=KIB, stdout=KIB or stderr=KIB, and with --cases also "
                   "cpu=MS or memory=MIB, not '%s'",
                   limit);
}

/* Fields that are limits of the program. */
static int set_limits(json_t *job, const struct cli_options *options, struct pe_error *err)
{
    if (options->timeout && set_timeout(job, options, err) < 0)
        return -1;
    for (size_t i = 0; i < options->limits.count; i++)
        if (set_limit(job, options->limits.items[i], options->cases, err) < 0)
            return -1;
    return options->on_output_limit ? set_text(job, "on_output_limit", options->on_output_limit, err) : 0;
}

static int set_isolation(json_t *job, const char *names, struct pe_error *err)
{
    struct pe_isolation_set set;
    pe_autojson json_t *kinds = json_array();
    if (pe_isolation_set_parse(names, &set, err) < 0)
        return pe_fail_context(err, "--isolation");
    for (int i = PE_ISOLATION_HARDWARE; i < PE_ISOLATIONS; i++)
        if (pe_isolation_set_has(set, (enum pe_isolation)i))
            pe_json_list_add(&kinds, json_string(pe_isolation_name((enum pe_isolation)i)));
    return json_object_set(job, "isolation", kinds) == 0 ? 0 : pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

static int set_flag(json_t *job, const char *key, bool value, struct pe_error *err)
{
    return json_object_set_new(job, key, json_boolean(value)) == 0
               ? 0
               : pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

static int set_fields(json_t *job, const struct cli_options *options, const struct input_files *files,
                      struct pe_error *err)
{
    const bool is_whole = !options->job; /* then `cache` and `env` are said in any case */
    if (options->image && set_text(job, "image", options->image, err) < 0)
        return -1;
    if ((is_whole || options->env.count) && set_env(job, &options->env, err) < 0)
        return -1;
    if (options->command_count && set_command(job, options, err) < 0)
        return -1;
    if (files->stdin_name && set_text(job, "stdin", files->stdin_name, err) < 0)
        return -1;
    if (set_limits(job, options, err) < 0)
        return -1;
    if (options->isolation && set_isolation(job, options->isolation, err) < 0)
        return -1;
    if (options->hosts && set_text(job, "hosts", options->hosts, err) < 0)
        return -1;
    if (options->combined && set_flag(job, "combined", true, err) < 0)
        return -1;
    return is_whole || options->no_cache ? set_flag(job, "cache", !options->no_cache, err) : 0;
}

/* ---- a job file ---- */

/* Each stage has these fields itself. */
static bool is_of_stages(const char *field)
{
    static const char *const names[] = {"cmd",        "stdin",     "combined", "on_output_limit",
                                        "stdout_max", "stderr_max"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(field, names[i]))
            return true;
    return false;
}

/* Add the fields that the command line has set. */
static int add_fields(json_t *job, json_t *given, struct pe_error *err)
{
    const char *field = NULL;
    json_t *value = NULL;
    json_object_foreach(given, field, value)
    {
        if (json_object_get(job, field))
            return pe_fail(err, PE_ERR_INVALID,
                           "the job file and the command line both say '%s': leave out one of them", field);
        if (json_object_get(job, "stages") && is_of_stages(field))
            return pe_fail(
                err, PE_ERR_INVALID,
                "the command line says '%s', but each stage of a job has its own: say it in the job "
                "file",
                field);
        if (json_object_set(job, field, value) < 0)
            return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    }
    return 0;
}

/* ---- the job ---- */

/* The service checks stages and cases. */
static int check(const json_t *job, struct pe_job_spec *checked, struct pe_error *err)
{
    static const char *const others[] = {"stages", "cases", "on_failure", "slots"};
    pe_autojson json_t *spec = json_copy((json_t *)job);
    if (!spec)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        (void)json_object_del(spec, others[i]);
    return pe_job_spec_from_json(spec, checked, err);
}

static int finish(const json_t *json, struct cli_job *job, struct pe_error *err)
{
    pe_autojobspec struct pe_job_spec checked = {0};
    if (check(json, &checked, err) < 0)
        return -1;
    job->text = json_dumps(json, JSON_COMPACT);
    job->image = checked.image ? strdup(checked.image) : NULL;
    job->has_stages = json_object_get(json, "stages") != NULL;
    pe_isolation_set_print(checked.isolation, ",", job->isolation);
    return job->text && job->image ? 0 : pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

int cli_job_make(const struct cli_options *options, struct input_files *files, struct cli_job *job,
                 struct pe_error *err)
{
    pe_autojson json_t *given = json_object();
    if (!given)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    if (set_fields(given, options, files, err) < 0)
        return -1;
    if (options->cases && case_job_add_stages(options, files, given, err) < 0)
        return -1;
    if (!options->job)
        return finish(given, job, err);
    pe_autojson json_t *json = job_file_read(options->job, files, err);
    if (!json || add_fields(json, given, err) < 0)
        return -1;
    return finish(json, job, err);
}
