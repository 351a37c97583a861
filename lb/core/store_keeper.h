/* The helper process behind lb/core/result_store.h: blocking code on LMDB and libmemcached. */
#ifndef PE_LB_CORE_STORE_KEEPER_H
#define PE_LB_CORE_STORE_KEEPER_H

/* pe-lb runs itself with this as the first argument to become the helper; then come the socket's file
 * descriptor, the size on disk in MiB, the folder ("" for none) and memcached servers. */
#define STORE_KEEPER_ARGUMENT "--store-keeper"

/* The helper's main function; returns its exit status. */
int store_keeper_main(int argc, char **argv);

#endif
