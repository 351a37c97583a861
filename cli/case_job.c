/* SPDX-License-Identifier: Apache-2.0 */
/* Two stages, compile and run, and a case for each pair of files. */
#include "cli/case_job.h"

#include "base/cleanup.h"
#include "cli/case_folder.h"
#include "proto/job_spec.h"
#include "proto/limits.h"

/* What the service adds to the limit of a case at most, and the limit of a checker (docs/cases.md). */
enum { BETWEEN_CASES_MS = 1000, CHECKER_MS = 10000 };

static int no_memory(struct pe_error *err)
{
    return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

/* Set the member, and drop the reference to the value. NULL: there was no memory for it. */
static int set(json_t *object, const char *member, json_t *value, struct pe_error *err)
{
    return json_object_set_new(object, member, value) == 0 ? 0 : no_memory(err);
}

static json_t *text_of(const char *text, const char *what, struct pe_error *err)
{
    json_t *json = json_string(text);
    if (!json)
        pe_fail(err, PE_ERR_INVALID, "%s is not valid UTF-8", what);
    return json;
}

/* ---- stages ---- */

/* It may take longer than a case. */
static json_t *compile_stage(const char *command, struct pe_error *err)
{
    json_t *text = text_of(command, "--compile", err);
    return text ? json_pack("{s:s, s:[s, s, o], s:i}", "name", "compile", "cmd", "sh", "-c", text,
                            "timeout_ms", (int)PE_TIMEOUT_MS_MAX)
                : NULL;
}

/* A shell runs the command, to which the paths of input, output and answer are added. If there is no such
 * command, or a signal ends it, nothing was decided: the shell then ends by a signal as well, as a checker
 * without a shell would fail. */
static json_t *checker(const char *command, struct pe_error *err)
{
    pe_autofree char *script = NULL;
    if (asprintf(&script, "%s \"$@\"\ncode=$?\n[ $code -lt 126 ] || kill -KILL $$\nexit $code", command) <
        0) {
        script = NULL;
        no_memory(err);
        return NULL;
    }
    json_t *text = text_of(script, "--checker", err);
    return text ? json_pack("{s:[s, s, o, s]}", "checker", "sh", "-c", text, "sh") : NULL;
}

/* The stage gets what the job says about its program. */
static int fill_run_stage(json_t *job, const struct cli_options *options, json_t *stage, struct pe_error *err)
{
    static const char *const fields[] = {"cmd",        "timeout_ms", "cpu_ms",
                                         "memory_mib", "stdout_max", "stderr_max"};
    if (set(stage, "name", json_string("run"), err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        json_t *value = json_object_get(job, fields[i]);
        if (value && (json_object_set(stage, fields[i], value) < 0 || json_object_del(job, fields[i]) < 0))
            return no_memory(err);
    }
    if (options->compare)
        return set(stage, "expect", json_pack("{s:s}", "compare", options->compare), err);
    if (!options->checker)
        return 0;
    json_t *judge = checker(options->checker, err);
    return judge ? set(stage, "expect", judge, err) : -1;
}

static int add_stages(json_t *job, const struct cli_options *options, struct pe_error *err)
{
    pe_autojson json_t *stages = json_array(), *run = json_object();
    if (options->compile) {
        json_t *compile = compile_stage(options->compile, err);
        if (!compile)
            return -1;
        if (json_array_append_new(stages, compile) < 0)
            return no_memory(err);
    }
    if (fill_run_stage(job, options, run, err) < 0)
        return -1;
    return json_array_append(stages, run) == 0 ? set(job, "stages", json_incref(stages), err)
                                               : no_memory(err);
}

/* ---- cases ---- */

struct folder {
    const char *path, *name; /* `name`: in the job; "" for the current directory */
    struct input_files *files;
};

/* Send STEM.ENDING, and make {"file": its name in the job}. NULL on failure. */
static json_t *send_file(const struct folder *folder, const char *stem, const char *ending,
                         struct pe_error *err)
{
    pe_autofree char *path = NULL, *name = NULL;
    if (asprintf(&path, "%s/%s.%s", folder->path, stem, ending) < 0)
        path = NULL;
    if (asprintf(&name, "%s%s%s.%s", folder->name, *folder->name ? "/" : "", stem, ending) < 0)
        name = NULL;
    if (!path || !name) {
        no_memory(err);
        return NULL;
    }
    if (input_files_add_as(folder->files, name, path, err) < 0)
        return NULL;
    json_t *text = text_of(name, path, err);
    return text ? json_pack("{s:o}", "file", text) : NULL;
}

static int add_case(const struct folder *folder, const struct case_pair *pair, json_t *cases,
                    struct pe_error *err)
{
    pe_autojson json_t *input = send_file(folder, pair->name, "in", err);
    if (!input)
        return -1;
    pe_autojson json_t *answer = pair->answer ? send_file(folder, pair->name, pair->answer, err) : NULL;
    if (pair->answer && !answer)
        return -1;
    json_t *one = json_pack("{s:s, s:O, s:O*}", "name", pair->name, "stdin", input, "expect", answer);
    return one && json_array_append_new(cases, one) == 0 ? 0 : no_memory(err);
}

static int add_cases(json_t *job, const struct cli_options *options, struct input_files *files,
                     struct pe_error *err)
{
    autocasefolder struct case_folder found = {0};
    pe_autojson json_t *cases = json_array();
    pe_autofree char *name = input_files_base_name(options->cases, err);
    if (!name || case_folder_read(options->cases, !options->checker, &found, err) < 0)
        return -1;
    const struct folder folder = {.path = options->cases, .name = name, .files = files};
    for (size_t i = 0; i < found.count; i++)
        if (add_case(&folder, &found.items[i], cases, err) < 0)
            return -1;
    return json_object_set(job, "cases", cases) == 0 ? 0 : no_memory(err);
}

/* The service refuses a job whose cases could take too long together, although most of them take only a small
 * part of their limit. With a time limit of its own, such a job is accepted. */
static int limit_time(json_t *job, const struct cli_options *options, struct pe_error *err)
{
    const json_t *stages = json_object_get(job, "stages");
    const json_t *run = json_array_get(stages, json_array_size(stages) - 1);
    const json_t *given = json_object_get(run, "timeout_ms");
    json_int_t case_ms = given ? json_integer_value(given) : PE_TIMEOUT_MS_DEFAULT;
    json_int_t total_ms = PE_TIMEOUT_MS_MAX + 10 * BETWEEN_CASES_MS; /* of the compiler */
    case_ms += BETWEEN_CASES_MS + (options->checker ? CHECKER_MS : 0);
    total_ms += case_ms * (json_int_t)json_array_size(json_object_get(job, "cases"));
    return total_ms > PE_CASES_MS_DEFAULT ? set(job, "timeout_ms", json_integer(PE_CASES_MS_DEFAULT), err)
                                          : 0;
}

int case_job_add_stages(const struct cli_options *options, struct input_files *files, json_t *job,
                        struct pe_error *err)
{
    if (add_stages(job, options, err) < 0 || add_cases(job, options, files, err) < 0 ||
        limit_time(job, options, err) < 0)
        return -1;
    return options->on_failure ? set(job, "on_failure", json_string(options->on_failure), err) : 0;
}
