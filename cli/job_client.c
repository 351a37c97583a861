/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of one job, in order: collect, send, show. */
#include "cli/job_client.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "cli/event_stream.h"
#include "cli/exit.h"
#include "cli/http.h"
#include "cli/interactive.h"
#include "cli/interrupt.h"
#include "cli/job_key.h"
#include "cli/live_job.h"
#include "cli/outputs.h"
#include "cli/print_cases.h"
#include "cli/print_result.h"
#include "cli/response.h"
#include "cli/terminal.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID_BYTES 16

void job_client_free(struct job_client *client)
{
    service_stop(&client->service);
    input_files_free(&client->files);
    cli_options_free(&client->options);
    profile_free(&client->profile);
    cli_job_free(&client->job);
    case_report_free(&client->cases);
}

/* Add a file or a directory that the command line names. As with other programs that run containers, a user
 * may have written the command right behind the image. */
static int add_file(struct job_client *client, const char *path, struct pe_error *err)
{
    if (client->options.command_count == 0 && !strpbrk(path, "./") && access(path, F_OK) < 0)
        return pe_fail_errno(err, "cannot read %s (a command needs -- before it)", path);
    return input_files_add(&client->files, path, err);
}

int job_client_collect(struct job_client *client, struct pe_error *err)
{
    struct cli_options *options = &client->options;
    if (options->tty && terminal_check(err) < 0)
        return -1;
    input_files_clear(&client->files);
    for (size_t i = 0; i < options->file_count; i++)
        if (add_file(client, options->files[i], err) < 0)
            return -1;
    if (options->standard_input && input_files_set_stdin(&client->files, options->standard_input, err) < 0)
        return -1;
    cli_job_free(&client->job);
    if (cli_job_make(options, &client->files, &client->job, err) < 0)
        return -1;
    return input_files_check(&client->files, err);
}

/* ---- sending ---- */

static int check_client(void *context, struct pe_error *err)
{
    struct job_client *client = context;
    if (client->has_service && service_check(&client->service, err) < 0)
        return -1;
    return client->watch ? watch_check(client->watch, err) : 0;
}

static int start_service(struct job_client *client, struct pe_error *err)
{
    const struct service_style style = {.is_verbose = client->options.verbose,
                                        .is_quiet = client->options.quiet,
                                        .is_for_one_job = !client->options.watch,
                                        .progress = &client->progress};
    const char *isolation = client->job.isolation[0] ? client->job.isolation : NULL;
    if (client->profile.server || client->has_service)
        return 0;
    if (service_start(&client->service, client->job.image, isolation, &style, err) < 0)
        return -1;
    client->has_service = true;
    return 0;
}

/* What came of a job: events, or a reply that has all at once. */
struct outcome {
    struct live_job live;
    struct http_reply reply;
};

static void outcome_free(struct outcome *outcome)
{
    live_job_free(&outcome->live);
    http_reply_free(&outcome->reply);
}

static struct http_server describe_server(struct job_client *client)
{
    const struct profile *profile = &client->profile;
    return (struct http_server){.url = profile->server ? profile->server : client->service.url,
                                .token = profile->token,
                                .cache_salt = client->options.cache_salt ? client->options.cache_salt
                                                                         : profile->cache_salt,
                                .ca = profile->ca,
                                .cert = profile->cert,
                                .key = profile->key,
                                .progress = &client->progress,
                                .check = check_client,
                                .context = client};
}

static int post_job(struct job_client *client, const struct http_server *server, const char *id,
                    struct outcome *outcome, struct pe_error *err)
{
    autoeventstream struct event_stream events = {0};
    event_stream_init(&events, server, &outcome->live);
    const char *accept = client->options.json ? "application/json" : EVENT_STREAM_ACCEPT;
    return http_post_job(server, id, client->job.text, &client->files, accept, &events, &outcome->reply, err);
}

static int run_interactively(struct job_client *client, const struct http_server *server, const char *id,
                             struct outcome *outcome, struct pe_error *err)
{
    const struct interactive_job job = {
        .id = id, .json = client->job.text, .files = &client->files, .has_terminal = client->options.tty};
    return interactive_run(server, &job, &outcome->live, err);
}

static int send_job(struct job_client *client, struct outcome *outcome, struct pe_error *err)
{
    if (start_service(client, err) < 0)
        return -1;
    struct http_server server = describe_server(client);
    char job_key[PE_SHA256_HEX_SIZE];
    /* Only a proxy looks at it. Sending a job whose files cannot be read fails in any case. */
    if (client->profile.server && job_key_compute(client->job.text, &client->files, job_key, err) == 0)
        server.job_key = job_key;
    char id[2 * ID_BYTES + 1];
    pe_random_hex(id, ID_BYTES);
    if (client->options.verbose)
        fprintf(stderr, "pe-run: sending request %s to %s\n", id, server.url);
    progress_begin(&client->progress);
    return client->options.interactive ? run_interactively(client, &server, id, outcome, err)
                                       : post_job(client, &server, id, outcome, err);
}

/* ---- showing the result ---- */

static int show_files(const struct job_client *client, const struct response *response, struct pe_error *err)
{
    if (client->options.output)
        return outputs_write(client->options.output, response, err);
    if (response->files.count && !client->options.quiet)
        fprintf(stderr, "pe-run: the program wrote %zu files to /output; use --output DIR to save them\n",
                response->files.count);
    return 0;
}

/* The logs of the local service, which say it as well, are not shown. */
static void show_remedy(const struct job_client *client, const struct pe_result *result)
{
    const struct cli_options *options = &client->options;
    if (client->has_service && result->isolation == PE_ISOLATION_EMULATION && !client->job.isolation[0] &&
        !options->quiet && !options->watch)
        fprintf(stderr,
                "pe-run: the VM was emulated, which is slow; `make uml-kernel` in the source tree makes "
                "this machine faster, and `pe-worker doctor` says what else would\n");
}

static int show_json(const struct http_reply *reply, struct response *response, struct pe_error *err)
{
    if (response_read_json(reply, response, err) < 0)
        return -1;
    return pe_write_all(STDOUT_FILENO, reply->body.data, reply->body.size, "standard output", err);
}

/* Whether data waits on standard input: a pipe, a socket (as Node.js gives to its children) or a file. */
static bool has_input(void)
{
    struct stat input;
    int waiting = 0;
    return fstat(STDIN_FILENO, &input) == 0 &&
           (S_ISFIFO(input.st_mode) || S_ISSOCK(input.st_mode) || S_ISREG(input.st_mode)) &&
           ioctl(STDIN_FILENO, FIONREAD, &waiting) == 0 && waiting > 0;
}

/* How the program could get that data, with the options that can be combined with the given ones. */
static const char *how_to_pass_input(const struct job_client *client)
{
    const struct cli_options *options = &client->options;
    if (options->cases)
        return "the input of a case is its file NAME.in";
    if (client->job.has_stages)
        return "the job says what its stages and cases get";
    return options->job || options->watch ? "--stdin - passes it on"
                                          : "--interactive or --stdin - passes it on";
}

/* Say once that nobody has read standard input. It may also be meant for other programs, as in a script that
 * is read from there, so this is no error. A job has run, so what was written is there by now. */
static void show_unread_input(struct job_client *client)
{
    const struct cli_options *options = &client->options;
    const bool is_read =
        options->interactive || options->standard_input || (options->job && !strcmp(options->job, "-"));
    if (is_read || options->quiet || client->has_shown_unread_input || !has_input())
        return;
    client->has_shown_unread_input = true;
    fprintf(stderr, "pe-run: the program did not get what is on standard input; %s\n",
            how_to_pass_input(client));
}

/* What is shown when the output has been printed. */
static int show_end(const struct job_client *client, const struct response *response, struct pe_error *err)
{
    print_result_notices(response, client->options.verbose);
    show_remedy(client, &response->result);
    return show_files(client, response, err);
}

static int show_reply(const struct job_client *client, const struct http_reply *reply, int *exit_code,
                      struct pe_error *err)
{
    __attribute__((cleanup(response_free))) struct response response = {0};
    if (client->options.json) {
        if (show_json(reply, &response, err) < 0)
            return -1;
    } else if (client->job.has_stages && reply->status == 200) {
        return pe_fail(err, PE_ERR_MALFORMED, "the server's reply is no stream of events");
    } else if (response_read(reply, &response, err) < 0 ||
               print_result_output(&response, client->options.combined, err) < 0 ||
               show_end(client, &response, err) < 0) {
        return -1;
    }
    *exit_code = exit_code_of_response(&response);
    return 0;
}

static int show_outcome(const struct job_client *client, const struct outcome *outcome, int *exit_code,
                        struct pe_error *err)
{
    const struct live_job *live = &outcome->live;
    if (!client->options.interactive && !http_type_is(outcome->reply.content_type, EVENT_STREAM_TYPE))
        return show_reply(client, &outcome->reply, exit_code, err);
    if (live_job_check_end(live, err) < 0 || (live->cases && print_cases(live->cases, err) < 0) ||
        show_end(client, &live->response, err) < 0)
        return -1;
    *exit_code = exit_code_of_response(&live->response);
    return 0;
}

/* The logs of a service that this program started are shown nowhere else. They say nothing more
 * about a job that was refused. */
static void explain_failure(const struct job_client *client, const struct pe_error *err)
{
    if (!client->has_service || err->kind == PE_ERR_CANCELED ||
        exit_code_of_failure(err, true) == EXIT_REFUSED)
        return;
    if (err->kind == PE_ERR_NOT_FOUND)
        fprintf(stderr,
                "pe-run: `pe-run images` lists the images of this machine; `pe-image pull`, `pe-image build` "
                "and, in a source tree, `make images` add some\n");
    else
        service_show_logs(&client->service);
}

/* A job can run several times (--watch), and each time its report begins again. */
static int prepare_cases(struct job_client *client, struct live_job *live, struct pe_error *err)
{
    case_report_free(&client->cases);
    if (!client->job.has_stages)
        return 0;
    live->cases = &client->cases;
    return case_report_init(&client->cases, client->job.text, &client->files, err);
}

int job_client_run(struct job_client *client)
{
    __attribute__((cleanup(outcome_free))) struct outcome outcome = {0};
    struct pe_error err;
    int exit_code = EXIT_SERVICE;
    client->was_abandoned = false;
    progress_init(&client->progress, client->options.quiet);
    live_job_init(&outcome.live, client->options.combined, &client->progress);
    int failed = prepare_cases(client, &outcome.live, &err) < 0 || send_job(client, &outcome, &err) < 0;
    progress_clear(&client->progress);
    if (!failed && show_outcome(client, &outcome, &exit_code, &err) == 0) {
        show_unread_input(client);
        return exit_code;
    }
    client->was_abandoned = client->watch && err.kind == PE_ERR_CANCELED && !interrupt_signal();
    fprintf(stderr, "pe-run: %s%s\n", err.message, client->was_abandoned ? "; starting again" : "");
    explain_failure(client, &err);
    return exit_code_of_failure(&err, client->profile.server == NULL);
}
