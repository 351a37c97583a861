/* pe-run: send a job to a balancer, show what came of it. The order in which that happens is here. */
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
        /* Options may stand before the command. */
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
    /* Until here nothing was started, and a signal ends this program as any other. */
    interrupt_catch();
    int code = job_client_run(&client);
    return interrupt_signal() ? EXIT_SIGNAL + interrupt_signal() : code;
}
