/* SPDX-License-Identifier: Apache-2.0 */
/* The store helper: a process with blocking code for LMDB, memcached and Redis, behind
 * lb/core/result_store.h. */
#ifndef PE_LB_CORE_STORE_KEEPER_H
#define PE_LB_CORE_STORE_KEEPER_H

/* pe-lb executes itself with this as the first argument to become the helper. The other
 * arguments are the file descriptor of the socket, the size limit on disk in MiB, the folder (""
 * for none), how old a result may be in seconds (0: no limit), and the servers: of memcached as they are, of
 * Redis behind STORE_KEEPER_REDIS, and the file with its password. */
#define STORE_KEEPER_ARGUMENT "--store-keeper"
#define STORE_KEEPER_REDIS "redis="
#define STORE_KEEPER_REDIS_PASSWORD "redis-password-file="

/* The main function of the helper. Returns its exit status. */
int store_keeper_main(int argc, char **argv);

#endif
