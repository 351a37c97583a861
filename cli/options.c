/* SPDX-License-Identifier: Apache-2.0 */
/* From argv to options, and from options to the JSON text of a job. */
#include "cli/options.h"

#include "base/cleanup.h"
#include "cli/http_server.h"
#include "proto/job_spec.h"
#include "proto/limits.h"

#include <math.h>
#include <string.h>

void cli_options_free(struct cli_options *options)
{
    pe_option_list_free(&options->env);
    pe_option_list_free(&options->limits);
    *options = (struct cli_options){0};
}

/* The index of "--", where options and files end, or argc. */
static int find_separator(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--"))
            return i;
    return argc;
}

/* What has no meaning for a job whose input and output go on while it runs. */
static int check_interactive(const struct cli_options *options, struct pe_error *err)
{
    const struct {
        bool is_given;
        const char *name, *reason;
    } others[] = {
        {options->standard_input, "stdin", "both say what the program's standard input is"},
        {options->watch, "watch", "what is typed cannot be typed again"},
        {options->json, "json", "the output is printed while the program runs"},
        {options->combined, "combined",
         "the output is printed while the program runs; --tty joins both streams"},
    };
    for (size_t i = 0; options->interactive && i < sizeof others / sizeof *others; i++)
        if (others[i].is_given)
            return pe_fail(err, PE_ERR_INVALID, "--interactive and --%s cannot be combined: %s",
                           others[i].name, others[i].reason);
    return 0;
}

static int check_combination(const struct cli_options *options, struct pe_error *err)
{
    if (!options->image)
        return pe_fail(err, PE_ERR_INVALID,
                       "expected an image, as in pe-run gcc:14 main.c; see pe-run --help");
    if (options->json && options->output)
        return pe_fail(err, PE_ERR_INVALID,
                       "--json already includes the output files, so --output cannot be combined with it");
    if (options->server && options->profile)
        return pe_fail(err, PE_ERR_INVALID,
                       "--server and --profile both choose a server: give only one of them");
    if (options->watch && options->file_count == 0 &&
        (!options->standard_input || !strcmp(options->standard_input, "-")))
        return pe_fail(err, PE_ERR_INVALID, "--watch needs at least one FILE to watch");
    if (check_interactive(options, err) < 0)
        return -1;
    return options->cache_salt ? http_check_cache_salt(options->cache_salt, err) : 0;
}

static int parse_table(int argc, char **argv, bool stop_early, struct cli_options *options, int *rest,
                       struct pe_error *err)
{
    *options = (struct cli_options){0};
    const struct pe_option table[] = {
        {"server", 's', "URL", "URL of a server, or a profile (or $PE_SERVER)", PE_OPTION_TEXT,
         &options->server},
        {"profile", 'p', "PROFILE", "server of this profile (or $PE_PROFILE)", PE_OPTION_TEXT,
         &options->profile},
        {"key", 0, "KEY", "API key, or @FILE that holds it (or $PE_KEY)", PE_OPTION_TEXT, &options->key},
        {"interactive", 'i', NULL, "pass standard input through while the program runs", PE_OPTION_FLAG,
         &options->interactive},
        {"tty", 't', NULL, "the same, and give the program a terminal", PE_OPTION_FLAG, &options->tty},
        {"stdin", 0, "FILE", "the program's standard input; - is pe-run's own", PE_OPTION_TEXT,
         &options->standard_input},
        {"env", 'e', "KEY=VALUE", "set an environment variable; may be repeated", PE_OPTION_LIST,
         &options->env},
        {"timeout", 0, "SECONDS", "time limit for the program (default: 10)", PE_OPTION_TEXT,
         &options->timeout},
        {"limit", 0, "NAME=N", "processes=N, stack=KIB, stdout=KIB or stderr=KIB", PE_OPTION_LIST,
         &options->limits},
        {"output", 'o', "DIR", "save the files that the program writes to /output", PE_OPTION_TEXT,
         &options->output},
        {"combined", 0, NULL, "print both streams as one, in order", PE_OPTION_FLAG, &options->combined},
        {"on-output-limit", 0, "MODE", "when it prints too much: cut (default) or stop", PE_OPTION_TEXT,
         &options->on_output_limit},
        {"isolation", 0, "KINDS", "accept only these: hardware, kernel, emulation", PE_OPTION_TEXT,
         &options->isolation},
        {"hosts", 0, "KIND", "\"trusted\": only hosts that the operator trusts", PE_OPTION_TEXT,
         &options->hosts},
        {"watch", 'w', NULL, "run again whenever a FILE changes", PE_OPTION_FLAG, &options->watch},
        {"json", 0, NULL, "print the complete result as JSON", PE_OPTION_FLAG, &options->json},
        {"no-cache", 0, NULL, "run even if the result is cached", PE_OPTION_FLAG, &options->no_cache},
        {"cache-salt", 0, "SALT", "share cached results only with jobs of this salt", PE_OPTION_TEXT,
         &options->cache_salt},
        {"quiet", 'q', NULL, "print only errors: no progress, no notices", PE_OPTION_FLAG, &options->quiet},
        {"verbose", 'v', NULL, "print timing, and the logs of a local service", PE_OPTION_FLAG,
         &options->verbose},
        {0}};
    const struct pe_program program = {
        .name = "pe-run",
        .usage = "[options] IMAGE [FILE...] [-- CMD ARG...]",
        .about = "Run a program in an image, inside a fresh VM. `pe-run images` lists the images.",
        .options = table};
    return pe_options_parse(&program, argc, argv, stop_early, rest, err);
}

int cli_options_find_command(int argc, char **argv, const char *name)
{
    struct pe_error ignored;
    struct cli_options options;
    int rest = 0;
    int failed = parse_table(find_separator(argc, argv), argv, true, &options, &rest, &ignored);
    cli_options_free(&options);
    return !failed && rest < find_separator(argc, argv) && !strcmp(argv[rest], name) ? rest : 0;
}

int cli_options_parse(int argc, char **argv, struct cli_options *options, struct pe_error *err)
{
    int separator = find_separator(argc, argv), rest = 0;
    if (parse_table(separator, argv, false, options, &rest, err) < 0)
        return -1;
    options->interactive |= options->tty;
    options->image = rest < separator ? argv[rest++] : NULL;
    options->files = argv + rest;
    options->file_count = (size_t)(separator - rest);
    options->command = argv + separator + 1;
    options->command_count = separator < argc ? (size_t)(argc - separator - 1) : 0;
    if (separator < argc && options->command_count == 0)
        return pe_fail(err, PE_ERR_INVALID, "expected a command after --");
    return check_combination(options, err);
}

/* ---- the job ---- */

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
        json_array_append_new(command, argument);
    }
    return json_object_set(job, "cmd", command) == 0 ? 0 : pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

/* The server decides how long an interactive job may really last. */
static int set_timeout(json_t *job, const struct cli_options *options, struct pe_error *err)
{
    const unsigned max_ms = options->interactive ? PE_INTERACTIVE_MS_MAX : PE_TIMEOUT_MS_MAX;
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
static int set_limit(json_t *job, const char *limit, struct pe_error *err)
{
    static const struct {
        const char *prefix, *field;
        int unit; /* of N, in that of the field */
    } limits[] = {{"processes=", "process_limit", 1},
                  {"stack=", "stack_limit_kib", 1},
                  {"stdout=", "stdout_max", 1024},
                  {"stderr=", "stderr_max", 1024}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        size_t length = strlen(limits[i].prefix);
        if (strncmp(limit, limits[i].prefix, length) != 0)
            continue;
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
                   "--limit takes processes=N, stack=KIB, stdout=KIB or stderr=KIB, not '%s'", limit);
}

/* Fields that are limits of the program. */
static int set_limits(json_t *job, const struct cli_options *options, struct pe_error *err)
{
    if (options->timeout && set_timeout(job, options, err) < 0)
        return -1;
    for (size_t i = 0; i < options->limits.count; i++)
        if (set_limit(job, options->limits.items[i], err) < 0)
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
            json_array_append_new(kinds, json_string(pe_isolation_name((enum pe_isolation)i)));
    return json_object_set(job, "isolation", kinds) == 0 ? 0 : pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

static int fill_job(json_t *job, const struct cli_options *options, const struct input_files *files,
                    struct pe_error *err)
{
    if (set_text(job, "image", options->image, err) < 0 || set_env(job, &options->env, err) < 0)
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
    if (options->combined && json_object_set_new(job, "combined", json_true()) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    return json_object_set_new(job, "cache", json_boolean(!options->no_cache)) == 0
               ? 0
               : pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

int cli_options_to_job(const struct cli_options *options, const struct input_files *files, char **job,
                       char **image, struct pe_error *err)
{
    pe_autojson json_t *json = json_object();
    pe_autojobspec struct pe_job_spec checked = {0};
    if (!json)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    if (fill_job(json, options, files, err) < 0 || pe_job_spec_from_json(json, &checked, err) < 0)
        return -1;
    *job = json_dumps(json, JSON_COMPACT);
    *image = strdup(checked.image);
    return *job && *image ? 0 : pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}
