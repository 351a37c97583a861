/* SPDX-License-Identifier: Apache-2.0 */
/* From argv to options. job.c makes a job of them. */
#include "cli/options.h"

#include "cli/http_server.h"

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

/* What would be said twice, or not be meant, beside a job file. */
static int check_job_file(const struct cli_options *options, struct pe_error *err)
{
    if (!options->job)
        return 0;
    if (options->interactive)
        return pe_fail(err, PE_ERR_INVALID, "--job and --%s cannot be combined",
                       options->tty ? "tty" : "interactive");
    if (!strcmp(options->job, "-") && options->standard_input && !strcmp(options->standard_input, "-"))
        return pe_fail(err, PE_ERR_INVALID, "--job - and --stdin - both read standard input");
    if (!strcmp(options->job, "-") && options->watch)
        return pe_fail(err, PE_ERR_INVALID, "--watch needs a job that can be read again, not --job -");
    return 0;
}

static int check_needs_cases(const struct cli_options *options, struct pe_error *err)
{
    const char *name = options->compile      ? "compile"
                       : options->compare    ? "compare"
                       : options->checker    ? "checker"
                       : options->on_failure ? "on-failure"
                                             : NULL;
    return name ? pe_fail(err, PE_ERR_INVALID, "--%s needs --cases", name) : 0;
}

/* One of two words, or NULL. */
static int check_word(const char *option, const char *value, const char *first, const char *second,
                      struct pe_error *err)
{
    if (!value || !strcmp(value, first) || !strcmp(value, second))
        return 0;
    return pe_fail(err, PE_ERR_INVALID, "--%s takes %s or %s, not '%s'", option, first, second, value);
}

static int check_cases(const struct cli_options *options, struct pe_error *err)
{
    const struct {
        bool is_given;
        const char *name;
    } others[] = {{options->job, "job"},
                  {options->tty, "tty"},
                  {options->interactive, "interactive"},
                  {options->standard_input, "stdin"},
                  {options->combined, "combined"},
                  {options->on_output_limit, "on-output-limit"}};
    if (!options->cases)
        return check_needs_cases(options, err);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].is_given)
            return pe_fail(err, PE_ERR_INVALID, "--cases and --%s cannot be combined", others[i].name);
    if (!options->command_count)
        return pe_fail(err, PE_ERR_INVALID,
                       "--cases needs a command after --, which is run on each case, as in -- ./a.out");
    if (options->compare && options->checker)
        return pe_fail(err, PE_ERR_INVALID,
                       "--compare and --checker cannot be combined: the checker decides");
    if (check_word("compare", options->compare, "exact", "trailing-space", err) < 0)
        return -1;
    return check_word("on-failure", options->on_failure, "continue", "stop", err);
}

static int check_combination(const struct cli_options *options, struct pe_error *err)
{
    if (!options->image && !options->job)
        return pe_fail(err, PE_ERR_INVALID,
                       "expected an image, as in pe-run gcc:14 main.c; see pe-run --help");
    if (options->json && options->output)
        return pe_fail(err, PE_ERR_INVALID,
                       "--json already includes the output files, so --output cannot be combined with it");
    if (options->watch && !options->job && !options->cases && options->file_count == 0 &&
        (!options->standard_input || !strcmp(options->standard_input, "-")))
        return pe_fail(err, PE_ERR_INVALID, "--watch needs at least one FILE to watch");
    if (check_interactive(options, err) < 0 || check_job_file(options, err) < 0 ||
        check_cases(options, err) < 0)
        return -1;
    return options->cache_salt ? http_check_cache_salt(options->cache_salt, err) : 0;
}

static int parse_table(int argc, char **argv, bool stop_early, struct cli_options *options, int *rest,
                       struct pe_error *err)
{
    *options = (struct cli_options){0};
    const struct pe_option table[] = {
        PROFILE_OPTIONS(&options->choice),
        PROFILE_KEY_OPTION(&options->choice),
        {"job", 0, "FILE", "a job as JSON in place of IMAGE; - is stdin", PE_OPTION_TEXT, &options->job},
        {"cases", 0, "DIR", "run CMD on each NAME.in, and compare with NAME.out", PE_OPTION_TEXT,
         &options->cases},
        {"compile", 0, "COMMAND", "run this before the cases", PE_OPTION_TEXT, &options->compile},
        {"compare", 0, "HOW", "exact, or ignoring trailing-space (default)", PE_OPTION_TEXT,
         &options->compare},
        {"checker", 0, "COMMAND", "decides whether the output of a case is right", PE_OPTION_TEXT,
         &options->checker},
        {"on-failure", 0, "MODE", "after a bad case: continue (default) or stop", PE_OPTION_TEXT,
         &options->on_failure},
        {"interactive", 'i', NULL, "pass standard input through while the program runs", PE_OPTION_FLAG,
         &options->interactive},
        {"tty", 't', NULL, "the same, and give the program a terminal", PE_OPTION_FLAG, &options->tty},
        {"stdin", 0, "FILE", "the program's standard input; - is pe-run's own", PE_OPTION_TEXT,
         &options->standard_input},
        {"env", 'e', "KEY=VALUE", "set an environment variable; repeatable", PE_OPTION_LIST, &options->env},
        {"timeout", 0, "SECONDS", "time limit for the program (default: 10)", PE_OPTION_TEXT,
         &options->timeout},
        {"limit", 0, "NAME=N", "a limit such as stack=KIB; repeatable", PE_OPTION_LIST, &options->limits},
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
        .usage = "[options] IMAGE|--job FILE [FILE...] [-- CMD ARG...]",
        .about = "Run a program in an image, inside a fresh VM. `pe-run images` lists the images.",
        .options = table,
        .command = "a command needs -- before it"};
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
    options->image = !options->job && rest < separator ? argv[rest++] : NULL;
    options->files = argv + rest;
    options->file_count = (size_t)(separator - rest);
    options->command = argv + separator + 1;
    options->command_count = separator < argc ? (size_t)(argc - separator - 1) : 0;
    if (separator < argc && options->command_count == 0)
        return pe_fail(err, PE_ERR_INVALID, "expected a command after --");
    return check_combination(options, err);
}
