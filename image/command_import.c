/* SPDX-License-Identifier: Apache-2.0 */
/* pe-image import: an image from files of this machine. */
#include "image/command.h"
#include "image/import_arguments.h"

int command_import(int argc, char **argv, struct pe_error *err)
{
    pe_autoimportarguments struct import_arguments arguments = {0};
    bool check = false;
    const struct pe_option options[] = {
        {"ref", 0, "NAME", "which image of a layout or archive that holds several", PE_OPTION_TEXT,
         &arguments.reference},
        {"check", 0, NULL, "only check the options and the metadata; there is no FILE then", PE_OPTION_FLAG,
         &check},
        {0},
    };
    const struct pe_program program = {
        .name = "pe-image import",
        .usage = "--name NAME:TAG [options] FILE|DIR|-",
        .about = "Import an OCI image layout (a directory), an oci-archive or docker-archive (as\n"
                 "`docker save` writes it), or a tar of a root filesystem (as `docker export` and\n"
                 "mmdebstrap write it). - is standard input.",
        .options = options,
    };
    int rest = 0;
    pe_autoimage struct pe_image image = {0};
    if (import_arguments_parse(&arguments, &program, argc, argv, &rest, err) < 0)
        return -1;
    if (rest + !check != argc)
        return pe_fail(err, PE_ERR_INVALID,
                       "expected one file or directory, or - for standard input; see %s --help",
                       program.name);
    if (!arguments.name)
        return pe_fail(err, PE_ERR_INVALID, "--name is missing: give the image a name, as in --name gcc:14");
    if (import_arguments_resolve(&arguments, arguments.name, err) < 0)
        return -1;
    if (check)
        return 0;
    if (import_path(&arguments.import, argv[rest], &image, err) < 0)
        return -1;
    return import_arguments_print(&arguments, &image, err);
}
