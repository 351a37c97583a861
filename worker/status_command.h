/* SPDX-License-Identifier: Apache-2.0 */
/* `pe-worker status`: what the workers of this host do. */
#ifndef PE_WORKER_STATUS_COMMAND_H
#define PE_WORKER_STATUS_COMMAND_H

/* Run the command in argv, whose first element is "status". Returns the exit status: 0 if a worker runs here,
 * 1 if none does, or may be asked, and 2 if the command line is wrong. */
int status_main(int argc, char **argv);

#endif
