/* SPDX-License-Identifier: Apache-2.0 */
/* pe-run: choose between `images`, --watch and a single job. */
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/exit.h"
#include "cli/images.h"
#include "cli/interrupt.h"
#include "cli/job_client.h"
#include "cli/watch_loop.h"

#include <stdio.h>

static int fail(const struct pe_error *err, int code)
{
    fprintf(stderr, "pe-run: %s\n", err->message);
    return code;
}

int main(int argc, char **argv)
{
    __attribute__((cleanup(job_client_free))) struct job_client client = {0};
    struct pe_error err;
    int images = cli_options_find_images(argc, argv);
    if (images) {
        /* Options may precede the argument `images`; move it to the front. */
        for (int i = images; i > 0; i--)
            argv[i] = argv[i - 1];
        return images_command(argc - 1, argv + 1);
    }
    if (cli_options_parse(argc, argv, &client.options, &err) < 0)
        return fail(&err, EXIT_USAGE);
    if (profile_choose(client.options.server, client.options.profile, &client.profile, &err) < 0)
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
