/* SPDX-License-Identifier: Apache-2.0 */
/* pe-run: choose between `images`, `mcp`, --watch and a single job. */
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/exit.h"
#include "cli/images.h"
#include "cli/interrupt.h"
#include "cli/job_client.h"
#include "cli/mcp.h"
#include "cli/watch_loop.h"

#include <fcntl.h>
#include <stdio.h>

static int fail(const struct pe_error *err, int code)
{
    fprintf(stderr, "pe-run: %s\n", err->message);
    return code;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {{"images", images_command}, {"mcp", mcp_command}};

/* Options may precede the name of a command, which is at argv[at]. They are moved behind it. */
static int run_command(int (*run)(int argc, char **argv), int at, int argc, char **argv)
{
    for (int i = at; i > 0; i--)
        argv[i] = argv[i - 1];
    return run(argc - 1, argv + 1);
}

/* A socket must not get the number of a standard stream that the caller has closed: output would go to it.
 * What stands in for the stream is at its end, and writing to it is an error as before. */
static void hold_standard_descriptors(void)
{
    int fd = 0;
    while (fd >= 0 && fd <= STDERR_FILENO)
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pe_cleanup_close(&fd);
}

int main(int argc, char **argv)
{
    hold_standard_descriptors();
    __attribute__((cleanup(job_client_free))) struct job_client client = {0};
    struct pe_error err;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        int at = cli_options_find_command(argc, argv, commands[i].name);
        if (at)
            return run_command(commands[i].run, at, argc, argv);
    }
    if (cli_options_parse(argc, argv, &client.options, &err) < 0)
        return fail(&err, EXIT_USAGE);
    if (profile_choose(&client.options.choice, &client.profile, &err) < 0)
        return fail(&err, exit_code_of_profile(&err));
    if (client.options.watch) {
        int code = watch_loop_run(&client, &err);
        return interrupt_signal() ? EXIT_SIGNAL + interrupt_signal() : code;
    }
    if (job_client_collect(&client, &err) < 0)
        return fail(&err, EXIT_USAGE);
    /* Nothing has been started so far, so until here signals may simply kill this program. */
    interrupt_catch();
    int code = job_client_run(&client);
    return interrupt_signal() ? EXIT_SIGNAL + interrupt_signal() : code;
}
