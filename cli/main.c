/* pe-run: send a job to a balancer, show what came of it. The order in which that happens is here. */
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/http.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/outputs.h"
#include "cli/present.h"
#include "cli/response.h"
#include "cli/service.h"

#include <stdio.h>
#include <unistd.h>

/* Everything that a run has, so that it ends in one place. */
struct run {
    struct run_options options;
    struct input_files files;
    struct service service; /* when no server was named */
    char *job, *image;
};

static void run_free(struct run *run)
{
    service_stop(&run->service);
    input_files_free(&run->files);
    run_options_free(&run->options);
    free(run->job);
    free(run->image);
}

static int prepare(struct run *run, int argc, char **argv, struct pe_error *err)
{
    struct run_options *options = &run->options;
    if (run_options_parse(argc, argv, options, err) < 0)
        return -1;
    for (size_t i = 0; i < options->file_count; i++)
        if (input_files_add(&run->files, options->files[i], err) < 0)
            return -1;
    if (options->standard_input && input_files_set_stdin(&run->files, options->standard_input, err) < 0)
        return -1;
    if (input_files_check(&run->files, err) < 0)
        return -1;
    return run_options_job(options, &run->files, &run->job, &run->image, err);
}

static int send_job(struct run *run, struct http_reply *reply, struct pe_error *err)
{
    struct http_server server = {.url = run->options.server};
    if (!server.url) {
        if (service_start(&run->service, run->image, run->options.verbose, err) < 0)
            return -1;
        server =
            (struct http_server){.url = run->service.url, .check = service_check, .context = &run->service};
    }
    const char *accept = run->options.json ? "application/json" : "multipart/form-data";
    return http_post_job(&server, run->job, &run->files, accept, reply, err);
}

/* In embedded mode nobody else will say what is behind a failure. */
static void explain_failure(const struct run *run, const struct pe_error *err)
{
    if (run->options.server || err->kind == PE_ERR_CANCELED || !run->service.directory.path[0])
        return;
    if (err->kind == PE_ERR_NOT_FOUND)
        fprintf(stderr,
                "pe-run: images of this machine: `pe-image ls` lists them, `make images` (in a source tree) "
                "or `pe-image import` makes them\n");
    else
        service_show_logs(&run->service);
}

static int show_files(const struct run *run, const struct response *response, struct pe_error *err)
{
    if (run->options.output)
        return outputs_write(run->options.output, response, err);
    if (response->file_count)
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

int main(int argc, char **argv)
{
    __attribute__((cleanup(run_free))) struct run run = {0};
    http_autoreply struct http_reply reply = {0};
    struct pe_error err;
    int exit_code = 0;
    if (prepare(&run, argc, argv, &err) < 0) {
        fprintf(stderr, "pe-run: %s\n", err.message);
        return EXIT_SERVICE;
    }
    /* Until here nothing was started, and a signal ends this program as any other. */
    interrupt_catch();
    if (send_job(&run, &reply, &err) < 0 || show_response(&run, &reply, &exit_code, &err) < 0) {
        fprintf(stderr, "pe-run: %s\n", err.message);
        explain_failure(&run, &err);
        exit_code = EXIT_SERVICE;
    }
    return interrupt_signal() ? EXIT_SIGNAL + interrupt_signal() : exit_code;
}
