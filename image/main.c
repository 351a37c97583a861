/* SPDX-License-Identifier: Apache-2.0 */
/* pe-image: its commands. */
#include "base/command.h"
#include "image/command.h"

#include <locale.h>
#include <signal.h>
#include <string.h>

static const struct pe_command commands[] = {
    {"pull", "fetch an image from a registry, as in: pe-image pull docker://gcc:14", command_pull},
    {"import", "import an OCI layout, an image archive or a root filesystem's tar", command_import},
    {"build", "build an image from Debian packages", command_build},
    {"ls", "list the images of a store", command_ls},
    {"inspect", "show the catalog entry of an image", command_inspect},
    {"update", "change the catalog entry of an image", command_update},
    {"tag", "give an image an additional name", command_tag},
    {"rm", "remove names; an image is deleted together with its last name", command_rm},
    {"verify", "compare images with their digests", command_verify},
    {"export", "write the root filesystem of an image as a tar", command_export},
    {"combine", "merge images into one file that stores equal files once", command_combine},
    {"sync", "copy from another host's store over HTTP what is missing here", command_sync},
    {"gc", "delete images without a name and unfinished work", command_gc},
    {0},
};

static const struct pe_command_list list = {
    .program = "pe-image", .about = "Manage the image store of a worker.", .items = commands};

int main(int argc, char **argv)
{
    static char sync_name[] = "sync";
    /* libarchive converts the names of pax archives, which are UTF-8, to the encoding of the
     * locale. */
    setlocale(LC_CTYPE, "C.UTF-8");
    /* With SIGPIPE ignored, a closed pipe is an ordinary write error, and unfinished work is
     * removed. */
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && !strcmp(argv[1], "fetch")) /* its older name */
        argv[1] = sync_name;
    return pe_command_main(&list, argc, argv);
}
