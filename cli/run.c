/* The way of one run. */
#include "cli/run.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "cli/exit.h"
#include "cli/http.h"
#include "cli/interrupt.h"
#include "cli/outputs.h"
#include "cli/print_result.h"
#include "cli/response.h"

#include <stdio.h>
#include <string.h>

#define ID_BYTES 16

void run_free(struct run *run)
{
    service_stop(&run->service);
    input_files_free(&run->files);
    run_options_free(&run->options);
    profile_free(&run->profile);
    free(run->job);
    free(run->image);
}

int run_collect(struct run *run, struct pe_error *err)
{
    struct run_options *options = &run->options;
    input_files_forget(&run->files);
    for (size_t i = 0; i < options->file_count; i++)
        if (input_files_add(&run->files, options->files[i], err) < 0)
            return -1;
    if (options->standard_input && input_files_set_stdin(&run->files, options->standard_input, err) < 0)
        return -1;
    if (input_files_check(&run->files, err) < 0)
        return -1;
    free(pe_steal_ptr(&run->job));
    free(pe_steal_ptr(&run->image));
    return run_options_job(options, &run->files, &run->job, &run->image, err);
}

/* ---- sending ---- */

static int check_run(void *context, struct pe_error *err)
{
    struct run *run = context;
    if (run->has_service && service_check(&run->service, err) < 0)
        return -1;
    return run->watch ? watch_check(run->watch, err) : 0;
}

static int start_service(struct run *run, struct pe_error *err)
{
    const struct service_style style = {
        .is_verbose = run->options.verbose, .is_quiet = run->options.quiet, .progress = &run->progress};
    if (run->profile.server || run->has_service)
        return 0;
    if (service_start(&run->service, run->image, &style, err) < 0)
        return -1;
    run->has_service = true;
    return 0;
}

static int send_job(struct run *run, struct http_reply *reply, struct pe_error *err)
{
    const struct profile *profile = &run->profile;
    if (start_service(run, err) < 0)
        return -1;
    const struct http_server server = {.url = profile->server ? profile->server : run->service.url,
                                       .token = profile->token,
                                       .ca = profile->ca,
                                       .cert = profile->cert,
                                       .key = profile->key,
                                       .progress = &run->progress,
                                       .check = check_run,
                                       .context = run};
    char id[2 * ID_BYTES + 1];
    pe_random_hex(id, ID_BYTES);
    if (run->options.verbose)
        fprintf(stderr, "pe-run: request %s to %s\n", id, server.url);
    progress_begin(&run->progress);
    const char *accept = run->options.json ? "application/json" : "multipart/form-data";
    return http_post_job(&server, id, run->job, &run->files, accept, reply, err);
}

/* ---- showing ---- */

static int show_files(const struct run *run, const struct response *response, struct pe_error *err)
{
    if (run->options.output)
        return outputs_write(run->options.output, response, err);
    if (response->file_count && !run->options.quiet)
        fprintf(stderr, "pe-run: the program left %zu files in /output: --output DIR puts them there\n",
                response->file_count);
    return 0;
}

static int show_response(const struct run *run, const struct http_reply *reply, int *exit_code,
                         struct pe_error *err)
{
    __attribute__((cleanup(response_free))) struct response response = {0};
    if (run->options.json) {
        if (response_read_json(reply, &response, err) < 0 ||
            pe_write_all(STDOUT_FILENO, reply->body.data, reply->body.size, "standard output", err) < 0)
            return -1;
    } else {
        if (response_read(reply, &response, err) < 0 || present_output(&response, err) < 0)
            return -1;
        present_notices(&response, run->options.verbose);
        if (show_files(run, &response, err) < 0)
            return -1;
    }
    *exit_code = present_exit_code(&response.result);
    return 0;
}

/* With a service of our own nobody else will say what is behind a failure. */
static void explain_failure(const struct run *run, const struct pe_error *err)
{
    if (!run->has_service || err->kind == PE_ERR_CANCELED)
        return;
    if (err->kind == PE_ERR_NOT_FOUND)
        fprintf(stderr,
                "pe-run: images of this machine: `pe-run images` lists them, `make images` (in a source "
                "tree) or `pe-image import` makes them\n");
    else
        service_show_logs(&run->service);
}

int run_once(struct run *run)
{
    http_autoreply struct http_reply reply = {0};
    struct pe_error err;
    int exit_code = EXIT_SERVICE;
    run->is_broken_off = false;
    progress_init(&run->progress, run->options.quiet);
    int failed = send_job(run, &reply, &err);
    progress_clear(&run->progress);
    if (!failed && show_response(run, &reply, &exit_code, &err) == 0)
        return exit_code;
    run->is_broken_off = run->watch && err.kind == PE_ERR_CANCELED && !interrupt_signal();
    fprintf(stderr, "pe-run: %s%s\n", err.message, run->is_broken_off ? ": begun anew" : "");
    explain_failure(run, &err);
    return exit_code_of_failure(&err, run->profile.server == NULL);
}
