/* SPDX-License-Identifier: Apache-2.0 */
/* pe-run mcp: its options, and the service that it talks to. mcp_bridge.c passes the messages on. */
#include "cli/mcp.h"

#include "base/cleanup.h"
#include "base/options.h"
#include "cli/exit.h"
#include "cli/interrupt.h"
#include "cli/mcp_bridge.h"
#include "cli/profile.h"
#include "cli/service.h"

#include <stdio.h>

struct mcp_options {
    struct profile_choice choice;
    bool verbose;
};

static int parse(int argc, char **argv, struct mcp_options *options, struct pe_error *err)
{
    const struct pe_option table[] = {PROFILE_OPTIONS(&options->choice),
                                      PROFILE_KEY_OPTION(&options->choice),
                                      {"verbose", 'v', NULL, "show the logs of a service that was started",
                                       PE_OPTION_FLAG, &options->verbose},
                                      {0}};
    const struct pe_program program = {
        .name = "pe-run mcp",
        .usage = "[options]",
        .about = "Offer the programs of a server or, without one, of this machine to an agent\n"
                 "that starts this command (Model Context Protocol, stdio).",
        .options = table};
    int rest = 0;
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0)
        return -1;
    if (rest < argc)
        return pe_fail(err, PE_ERR_INVALID, "unexpected argument '%s'; see pe-run mcp --help", argv[rest]);
    return 0;
}

static int run_with_server(const struct profile *profile, struct pe_error *err)
{
    const struct http_server server = {.url = profile->server,
                                       .token = profile->token,
                                       .ca = profile->ca,
                                       .cert = profile->cert,
                                       .key = profile->key};
    return mcp_bridge_run(&server, err);
}

static int run_alone(const struct mcp_options *options, struct pe_error *err)
{
    autoservice struct service service = {0};
    struct progress none = {0};
    const struct service_style style = {
        .is_verbose = options->verbose, .is_quiet = !options->verbose, .progress = &none};
    if (service_start(&service, NULL, NULL, &style, err) < 0)
        return -1;
    const struct http_server server = {.url = service.url, .check = service_check, .context = &service};
    return mcp_bridge_run(&server, err);
}

static int fail(const struct pe_error *err, int code)
{
    fprintf(stderr, "pe-run: %s\n", err->message);
    return code;
}

int mcp_command(int argc, char **argv)
{
    struct pe_error err;
    struct mcp_options options = {0};
    __attribute__((cleanup(profile_free))) struct profile profile = {0};
    if (parse(argc, argv, &options, &err) < 0)
        return fail(&err, EXIT_USAGE);
    if (profile_choose(&options.choice, &profile, &err) < 0)
        return fail(&err, exit_code_of_profile(&err));
    interrupt_catch();
    int failed = profile.server ? run_with_server(&profile, &err) : run_alone(&options, &err);
    if (interrupt_signal())
        return EXIT_SIGNAL + interrupt_signal();
    return failed ? fail(&err, exit_code_of_failure(&err, !profile.server)) : 0;
}
