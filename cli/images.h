/* SPDX-License-Identifier: Apache-2.0 */
/* `pe-run images`: list the images of a server or of this machine. */
#ifndef PE_CLI_IMAGES_H
#define PE_CLI_IMAGES_H

/* Run the command. argv[0] is its name. Errors are printed on stderr. Returns the exit code
 * (cli/exit.h). */
int images_command(int argc, char **argv);

#endif
