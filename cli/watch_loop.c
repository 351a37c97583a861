/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of --watch. watch.c detects the changes, job_client.c runs the jobs. */
#include "cli/watch_loop.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "cli/exit.h"
#include "cli/interrupt.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static bool is_below(const char *path, const char *directory)
{
    size_t size = strlen(directory);
    return !strncmp(path, directory, size) && (path[size] == '/' || path[size] == '\0');
}

/* `output` is a real path. */
static int check_not_below(const struct cli_options *options, const char *output, const char *watched,
                           struct pe_error *err)
{
    char input[PATH_MAX];
    struct stat info;
    if (!realpath(watched, input) || stat(input, &info) < 0 || !S_ISDIR(info.st_mode) ||
        !is_below(output, input))
        return 0;
    return pe_fail(err, PE_ERR_INVALID,
                   "--output %s is inside %s, which is watched: output files would start the next run; "
                   "choose another directory",
                   options->output, watched);
}

/* Refuse an output directory below a watched one: output files would start the next run. */
static int check_output(const struct cli_options *options, struct pe_error *err)
{
    char output[PATH_MAX];
    if (!options->output)
        return 0;
    if (mkdir(options->output, 0777) < 0 && errno != EEXIST)
        return pe_fail_errno(err, "cannot create the output directory %s", options->output);
    if (!realpath(options->output, output))
        return pe_fail_errno(err, "cannot resolve the path of %s", options->output);
    for (size_t i = 0; i < options->file_count; i++)
        if (check_not_below(options, output, options->files[i], err) < 0)
            return -1;
    return options->cases ? check_not_below(options, output, options->cases, err) : 0;
}

/* Print a line between two runs, with the time and the reason. */
static void print_separator(const struct pe_error *why)
{
    char now[16] = "";
    time_t seconds = time(NULL);
    struct tm parts;
    if (localtime_r(&seconds, &parts))
        strftime(now, sizeof now, "%H:%M:%S", &parts);
    fprintf(stderr, "\npe-run: ---- %s %s ----\n", now, why->message);
}

/* Wait for a change. It is described by `err` although 0 is returned. Fails when the local service
 * fails meanwhile. */
static int wait_for_change(struct job_client *client, struct watch *watch, struct pe_error *err)
{
    for (;;) {
        if (interrupt_check(err) < 0 || (client->has_service && service_check(&client->service, err) < 0))
            return -1;
        if (watch_check(watch, err) < 0)
            return err->kind == PE_ERR_CANCELED ? 0 : -1;
        watch_pause(watch);
    }
}

/* Run the job once, and wait until a file changes. */
static int run_and_wait(struct job_client *client, struct watch *watch, struct pe_error *err)
{
    bool is_quiet = client->options.quiet;
    if (watch_begin(watch, err) < 0)
        return -1;
    if (job_client_collect(client, err) < 0) {
        fprintf(stderr, "pe-run: %s\n", err->message);
    } else {
        int code = job_client_run(client);
        if (client->was_abandoned)
            return 0;
        if (!is_quiet && !interrupt_signal())
            fprintf(stderr, "pe-run: exit code %d; waiting for a change (Ctrl-C to stop)\n", code);
    }
    if (wait_for_change(client, watch, err) < 0)
        return -1;
    if (!is_quiet)
        print_separator(err);
    return 0;
}

static int fail(const struct pe_error *err, int code)
{
    fprintf(stderr, "pe-run: %s\n", err->message);
    return code;
}

/* What is read besides the files of the command line. */
static void list_more(const struct cli_options *options, const char *more[WATCH_MORE_MAX])
{
    size_t count = 0;
    if (options->standard_input && strcmp(options->standard_input, "-") != 0)
        more[count++] = options->standard_input;
    if (options->job)
        more[count++] = options->job;
    if (options->cases)
        more[count++] = options->cases;
    while (count < WATCH_MORE_MAX)
        more[count++] = NULL;
}

int watch_loop_run(struct job_client *client, struct pe_error *err)
{
    const struct cli_options *options = &client->options;
    const char *more[WATCH_MORE_MAX];
    __attribute__((cleanup(watch_close))) struct watch watch = {.fd = -1};
    list_more(options, more);
    if (check_output(options, err) < 0 || job_client_collect(client, err) < 0)
        return fail(err, EXIT_USAGE); /* in the first round, the command line is wrong */
    if (watch_open(&watch, options->files, options->file_count, more, err) < 0)
        return fail(err, EXIT_SERVICE);
    interrupt_catch();
    client->watch = &watch;
    while (run_and_wait(client, &watch, err) == 0)
        ;
    client->watch = NULL;
    return interrupt_signal() ? EXIT_SIGNAL : fail(err, EXIT_SERVICE);
}
