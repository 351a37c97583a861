/* SPDX-License-Identifier: Apache-2.0 */
/* pe-image pull: an image from a registry, or from any other source that skopeo(1) reads. */
#include "image/command.h"
#include "image/import_arguments.h"
#include "image/pull.h"
#include "proto/limits.h"

#include <string.h>

int command_pull(int argc, char **argv, struct pe_error *err)
{
    pe_autoimportarguments struct import_arguments arguments = {0};
    const char *policy = NULL;
    bool require_digest = false;
    const struct pe_option options[] = {
        {"plain-http", 0, NULL, "allow HTTP, and HTTPS with an untrusted certificate", PE_OPTION_FLAG,
         &arguments.plain_http},
        {"policy", 0, "FILE", "which signatures are required, a policy.json (default: that of the host)",
         PE_OPTION_TEXT, &policy},
        {"require-digest", 0, NULL, "refuse a source that does not name its image by digest", PE_OPTION_FLAG,
         &require_digest},
        {0},
    };
    const struct pe_program program = {
        .name = "pe-image pull",
        .usage = "[options] TRANSPORT:IMAGE",
        .about =
            "Fetch an image with skopeo, as in `pe-image pull docker://gcc:14`, and import it. Its name\n"
            "in the catalog is the source's name without the registry; --name gives it another one.",
        .options = options,
        .epilogue = "skopeo(1) lists the transports. Credentials are those of `skopeo login`.",
    };
    int rest = 0;
    char name[PE_IMAGE_NAME_MAX + 8];
    pe_autoimage struct pe_image image = {0};
    if (import_arguments_parse(&arguments, &program, argc, argv, &rest, err) < 0)
        return -1;
    if (rest + 1 != argc || !strchr(argv[rest], ':') || argv[rest][0] == '-')
        return pe_fail(err, PE_ERR_INVALID, "expected one source, as in docker://gcc:14; see %s --help",
                       program.name);
    if (require_digest && pull_check_digest(argv[rest], err) < 0)
        return -1;
    if (!arguments.name && pull_name(argv[rest], name, sizeof name, err) < 0)
        return -1;
    if (import_arguments_resolve(&arguments, arguments.name ? arguments.name : name, err) < 0)
        return -1;
    const struct pull_options pull = {.source = argv[rest],
                                      .choice = &arguments.import.choice,
                                      .policy = policy,
                                      .plain_http = arguments.plain_http,
                                      .bytes_max = arguments.import.flatten.bytes_max};
    if (import_pull(&arguments.import, &pull, &image, err) < 0)
        return -1;
    return import_arguments_print(&arguments, &image, err);
}
