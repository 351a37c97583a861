/* SPDX-License-Identifier: Apache-2.0 */
/* `pe-worker join URL`: make this host a worker of a balancer, completely or not at all. */
#ifndef PE_WORKER_JOIN_H
#define PE_WORKER_JOIN_H

/* Run the command in argv, whose first element is "join". Returns the exit status. */
int join_main(int argc, char **argv);

#endif
