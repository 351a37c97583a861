/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding, checking and encoding of job descriptions. The bounds of every field are checked only
 * here. */
#include "proto/job_spec.h"

#include "base/cleanup.h"
#include "codec/json_bounds.h"
#include "codec/json_reader.h"
#include "proto/image_reference.h"
#include "proto/isolation.h"
#include "proto/job_fields.h"
#include "proto/limits.h"
#include "proto/path.h"

#include <stdlib.h>
#include <string.h>

/* ---- the image's name ---- */

static int parse_image(struct pe_json_reader *json, struct pe_job_spec *job, struct pe_error *err)
{
    if (pe_field_parse_text(json, "image", PE_IMAGE_NAME_MAX, &job->image, err) < 0)
        return -1;
    char *name = job->image;
    if (!name)
        return 0;
    if (!pe_image_reference_valid(name))
        return pe_field_invalid(err, "image", "must be name:tag or name@sha256:<digest>");
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

static int parse_cmd(struct pe_json_reader *json, struct pe_job_spec *job, struct pe_error *err)
{
    if (pe_json_parse_null(json))
        return 0;
    if (pe_field_parse_texts(json, "cmd", PE_ARGS_MAX, PE_TEXT_MAX, &job->cmd, &job->cmd_count, err) < 0)
        return -1;
    if (!json->fault && (job->cmd_count == 0 || !job->cmd[0][0]))
        return pe_field_invalid(err, "cmd", "is empty; leave it out for the image's default command");
    return 0;
}

static int parse_env(struct pe_json_reader *json, struct pe_job_spec *job, struct pe_error *err)
{
    return pe_field_parse_env(json, &job->env, &job->env_count, err);
}

static int parse_stdin(struct pe_json_reader *json, struct pe_job_spec *job, struct pe_error *err)
{
    struct pe_path path;
    if (pe_json_parse_null(json))
        return 0;
    if (pe_field_parse_text(json, "stdin", PE_PATH_MAX, &job->stdin_name, err) < 0)
        return -1;
    const char *name = job->stdin_name;
    if (name && pe_path_parse(name, strlen(name), 1, &path, err) < 0)
        return pe_fail_context(err, "field 'stdin'");
    return 0;
}

static int wrong_timeout(struct pe_error *err)
{
    return pe_fail(err, PE_ERR_INVALID, "field 'timeout_ms' must be from 1 to %u", PE_TIMEOUT_MS_MAX);
}

static int parse_timeout(struct pe_json_reader *json, struct pe_job_spec *job, struct pe_error *err)
{
    if (pe_field_parse_any_whole(json, "timeout_ms", "milliseconds", &job->timeout_ms, err) < 0)
        return -1;
    job->has_timeout = true;
    bool is_wrong = job->timeout_ms < 1 || job->timeout_ms > PE_JOB_MS_MAX;
    return is_wrong && !json->fault ? wrong_timeout(err) : 0;
}

int pe_job_spec_check_client(const struct pe_job_spec *job, struct pe_error *err)
{
    return job->timeout_ms > PE_TIMEOUT_MS_MAX ? wrong_timeout(err) : 0;
}

static int parse_process_limit(struct pe_json_reader *json, struct pe_job_spec *job, struct pe_error *err)
{
    return pe_field_parse_whole(json, "process_limit", "processes", 1, PE_PIDS_MAX, &job->process_limit, err);
}

static int parse_stack_limit(struct pe_json_reader *json, struct pe_job_spec *job, struct pe_error *err)
{
    return pe_field_parse_whole(json, "stack_limit_kib", "KiB", PE_STACK_KIB_MIN, PE_STACK_KIB_MAX,
                                &job->stack_limit_kib, err);
}

/* Returns why a glob can match no output file, or NULL. Piston's "." selects none on purpose. */
static const char *glob_fault(const char *glob)
{
    if (!*glob)
        return "is empty";
    if (*glob == '/')
        return "begins with '/'; globs are relative to /output, as in 'plots/*.png'";
    if (!strcmp(glob, "."))
        return NULL;
    for (const char *part = glob; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
        size_t length = strcspn(part, "/");
        if (length == 0)
            return part[0] ? "has an empty component" : "ends with '/'; a folder's files are 'folder/**'";
        if (length <= 2 && !strncmp(part, "..", length))
            return "has a component '.' or '..', which no output file has";
    }
    return NULL;
}

static int parse_outputs(struct pe_json_reader *json, struct pe_job_spec *job, struct pe_error *err)
{
    if (pe_field_parse_texts(json, "outputs", PE_GLOBS_MAX, PE_PATH_MAX, &job->outputs, &job->output_count,
                             err) < 0)
        return -1;
    for (size_t i = 0; i < job->output_count; i++) {
        char shown[96];
        const char *glob = job->outputs[i] ? job->outputs[i] : "", *fault = glob_fault(glob);
        if (fault)
            return pe_fail(err, PE_ERR_INVALID, "field 'outputs': the glob '%s' %s",
                           pe_path_printable(glob, strlen(glob), shown, sizeof shown), fault);
    }
    return 0;
}

static int parse_cache(struct pe_json_reader *json, struct pe_job_spec *job, struct pe_error *err)
{
    if (pe_field_is_other(json, "tf"))
        return pe_field_invalid(err, "cache", "must be true or false");
    job->cache = pe_json_parse_bool(json);
    return 0;
}

static int parse_isolation_name(struct pe_json_reader *json, struct pe_job_spec *job, struct pe_error *err)
{
    pe_autofree char *name = NULL;
    if (pe_field_parse_text(json, "isolation", PE_TEXT_MAX, &name, err) < 0)
        return -1;
    if (name && pe_isolation_set_add(&job->isolation, name, err) < 0)
        return pe_fail_context(err, "field 'isolation'");
    return 0;
}

/* One name, or an array of those that are accepted. */
static int parse_isolation(struct pe_json_reader *json, struct pe_job_spec *job, struct pe_error *err)
{
    if (pe_json_parse_null(json))
        return 0;
    if (pe_field_is_other(json, "[\""))
        return pe_field_invalid(err, "isolation", "must be a string or an array of strings");
    if (pe_json_peek(json) == '"')
        return parse_isolation_name(json, job, err);
    pe_json_enter(json, '[');
    while (pe_json_next_element(json))
        if (parse_isolation_name(json, job, err) < 0)
            return -1;
    if (!json->fault && job->isolation.bits == 0)
        return pe_field_invalid(err, "isolation", "is empty; leave it out to accept any isolation");
    return 0;
}

/* The only demand there is: hosts that the operator has marked. */
static int parse_hosts(struct pe_json_reader *json, struct pe_job_spec *job, struct pe_error *err)
{
    pe_autofree char *hosts = NULL;
    if (pe_json_parse_null(json))
        return 0;
    if (pe_field_parse_text(json, "hosts", PE_TEXT_MAX, &hosts, err) < 0)
        return -1;
    if (hosts && strcmp(hosts, "trusted") != 0)
        return pe_field_invalid(err, "hosts", "must be \"trusted\"; leave it out to accept any host");
    job->isolation.trusted_host = hosts != NULL;
    return 0;
}

static int parse_combined(struct pe_json_reader *json, struct pe_job_spec *job, struct pe_error *err)
{
    if (pe_field_is_other(json, "tf"))
        return pe_field_invalid(err, "combined", "must be true or false");
    job->combined = pe_json_parse_bool(json);
    return 0;
}

static int parse_on_output_limit(struct pe_json_reader *json, struct pe_job_spec *job, struct pe_error *err)
{
    pe_autofree char *action = NULL;
    if (pe_field_parse_text(json, "on_output_limit", PE_TEXT_MAX, &action, err) < 0)
        return -1;
    if (action && strcmp(action, "stop") != 0 && strcmp(action, "cut") != 0)
        return pe_field_invalid(err, "on_output_limit", "must be \"cut\" or \"stop\"");
    job->stop_at_output_limit = action && !strcmp(action, "stop");
    job->cut_at_output_limit = action && !job->stop_at_output_limit;
    return 0;
}

static int parse_stdout_max(struct pe_json_reader *json, struct pe_job_spec *job, struct pe_error *err)
{
    return pe_field_parse_whole(json, "stdout_max", "bytes", 1, PE_OUTPUT_BYTES_MAX, &job->stdout_max, err);
}

static int parse_stderr_max(struct pe_json_reader *json, struct pe_job_spec *job, struct pe_error *err)
{
    return pe_field_parse_whole(json, "stderr_max", "bytes", 1, PE_OUTPUT_BYTES_MAX, &job->stderr_max, err);
}

void pe_job_spec_set_live_defaults(struct pe_job_spec *job)
{
    job->stdout_max = job->stdout_max ? job->stdout_max : PE_LIVE_STREAM_BYTES;
    job->stderr_max = job->stderr_max ? job->stderr_max : PE_LIVE_STREAM_BYTES;
    job->stop_at_output_limit = !job->cut_at_output_limit;
}

uint32_t pe_job_spec_stdout_max(const struct pe_job_spec *job)
{
    return job->stdout_max ? job->stdout_max : PE_STDOUT_BYTES_MAX;
}

uint32_t pe_job_spec_stderr_max(const struct pe_job_spec *job)
{
    return job->stderr_max ? job->stderr_max : PE_STDERR_BYTES_MAX;
}

static const struct field {
    const char *name;
    int (*parse)(struct pe_json_reader *json, struct pe_job_spec *job, struct pe_error *err);
} fields[] = {
    {"image", parse_image},
    {"cmd", parse_cmd},
    {"env", parse_env},
    {"stdin", parse_stdin},
    {"timeout_ms", parse_timeout},
    {"process_limit", parse_process_limit},
    {"stack_limit_kib", parse_stack_limit},
    {"outputs", parse_outputs},
    {"cache", parse_cache},
    {"combined", parse_combined},
    {"on_output_limit", parse_on_output_limit},
    {"stdout_max", parse_stdout_max},
    {"stderr_max", parse_stderr_max},
    {"isolation", parse_isolation},
    {"hosts", parse_hosts},
};

enum { FIELDS = sizeof fields / sizeof *fields };

/* `seen` has a bit for each field that occurred before. */
static int parse_field(struct pe_json_reader *json, const char *name, unsigned *seen, struct pe_job_spec *job,
                       struct pe_error *err)
{
    unsigned i = 0;
    while (i < FIELDS && strcmp(fields[i].name, name) != 0)
        i++;
    if (i == FIELDS) {
        char shown[64];
        return pe_fail(err, PE_ERR_INVALID, "unknown field '%s'",
                       pe_path_printable(name, strlen(name), shown, sizeof shown));
    }
    if (*seen & 1u << i)
        pe_json_fault(json, PE_FIELD_TWICE);
    *seen |= 1u << i;
    return json->fault ? 0 : fields[i].parse(json, job, err);
}

/* Values in the JSON of a job: enough for its arguments, variables and globs. */
enum { JSON_VALUES_MAX = 4096 };

/* The reader says what is wrong, but not where; the JSON library says both, to a client that made a
 * mistake. */
static int malformed(const char *text, size_t size, const char *fault, struct pe_error *err)
{
    json_error_t where;
    if (pe_json_check_bounds(text, size, JSON_VALUES_MAX, err) < 0)
        return pe_fail(err, PE_ERR_MALFORMED, "the job is not JSON: %s", fault);
    pe_autojson json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);
    if (json)
        return pe_fail(err, PE_ERR_MALFORMED, "the job is not JSON: %s", fault);
    return pe_fail(err, PE_ERR_MALFORMED, "the job is not JSON: line %d, column %d: %s", where.line,
                   where.column, where.text);
}

int pe_job_spec_decode(const char *text, size_t size, struct pe_job_spec *job, struct pe_error *err)
{
    struct pe_json_reader json = pe_json_read(text, size);
    char name[64];
    unsigned seen = 0;
    *job = (struct pe_job_spec){.timeout_ms = PE_TIMEOUT_MS_DEFAULT, .cache = true};
    if (pe_field_is_other(&json, "{"))
        return pe_fail(err, PE_ERR_INVALID, "the job must be a JSON object");
    pe_json_enter(&json, '{');
    while (pe_json_next_member(&json, name, sizeof name))
        if (parse_field(&json, name, &seen, job, err) < 0)
            return -1;
    if (pe_json_ended(&json, err) < 0)
        return malformed(text, size, json.fault, err);
    return job->image ? 0 : pe_field_invalid(err, "image", "is missing");
}

int pe_job_spec_from_json(const json_t *json, struct pe_job_spec *job, struct pe_error *err)
{
    pe_autofree char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    *job = (struct pe_job_spec){0};
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "encoding a job");
    return pe_job_spec_decode(text, strlen(text), job, err);
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

static json_t *isolation_to_json(struct pe_isolation_set set)
{
    char *names[PE_ISOLATIONS];
    size_t count = 0;
    for (int i = PE_ISOLATION_HARDWARE; i < PE_ISOLATIONS; i++)
        if (pe_isolation_set_has(set, (enum pe_isolation)i))
            names[count++] = (char *)(uintptr_t)pe_isolation_name((enum pe_isolation)i);
    return strings_to_json(names, count);
}

static json_t *env_to_json(const struct pe_job_spec *job)
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

json_t *pe_job_spec_to_json(const struct pe_job_spec *job)
{
    json_t *json = json_pack("{s:s, s:o, s:i, s:b}", "image", job->image, "env", env_to_json(job),
                             "timeout_ms", (int)job->timeout_ms, "cache", job->cache);
    int failed = !json;
    if (!failed && job->cmd)
        failed |= json_object_set_new(json, "cmd", strings_to_json(job->cmd, job->cmd_count));
    if (!failed && job->process_limit)
        failed |= json_object_set_new(json, "process_limit", json_integer((json_int_t)job->process_limit));
    if (!failed && job->stack_limit_kib)
        failed |=
            json_object_set_new(json, "stack_limit_kib", json_integer((json_int_t)job->stack_limit_kib));
    if (!failed && job->combined)
        failed |= json_object_set_new(json, "combined", json_true());
    if (!failed && job->stop_at_output_limit)
        failed |= json_object_set_new(json, "on_output_limit", json_string("stop"));
    if (!failed && job->cut_at_output_limit)
        failed |= json_object_set_new(json, "on_output_limit", json_string("cut"));
    if (!failed && job->stdout_max)
        failed |= json_object_set_new(json, "stdout_max", json_integer((json_int_t)job->stdout_max));
    if (!failed && job->stderr_max)
        failed |= json_object_set_new(json, "stderr_max", json_integer((json_int_t)job->stderr_max));
    if (!failed && job->stdin_name)
        failed |= json_object_set_new(json, "stdin", json_string(job->stdin_name));
    if (!failed && job->output_count)
        failed |= json_object_set_new(json, "outputs", strings_to_json(job->outputs, job->output_count));
    if (!failed && job->isolation.bits)
        failed |= json_object_set_new(json, "isolation", isolation_to_json(job->isolation));
    if (!failed && job->isolation.trusted_host)
        failed |= json_object_set_new(json, "hosts", json_string("trusted"));
    if (!failed)
        return json;
    json_decref(json);
    return NULL;
}

void pe_job_spec_free(struct pe_job_spec *job)
{
    free(job->image);
    pe_field_free_texts(job->cmd, job->cmd_count);
    pe_field_free_texts(job->env, job->env_count);
    free(job->stdin_name);
    pe_field_free_texts(job->outputs, job->output_count);
    *job = (struct pe_job_spec){0};
}
