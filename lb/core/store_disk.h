/* Results on disk: an LMDB environment with a bound on its bytes, the result unused for longest goes first.
 * Several processes may use one folder. */
#ifndef PE_LB_CORE_STORE_DISK_H
#define PE_LB_CORE_STORE_DISK_H

#include "base/buffer.h"
#include "base/error.h"
#include "lb/core/job_key.h"

#include <lmdb.h>
#include <stdint.h>

struct store_disk {
    MDB_env *env;    /* NULL: there is none */
    MDB_dbi results; /* key -> stored form */
    MDB_dbi uses;    /* number of the last use, big endian -> key */
    MDB_dbi numbers; /* key -> that number and the bytes it counts */
    MDB_dbi totals;  /* "bytes" and "uses" -> uint64_t */
    uint64_t bytes_max;
};

/* Open or make the environment in `folder`. One that is damaged is emptied. */
int store_disk_open(struct store_disk *disk, const char *folder, uint64_t bytes_max,
                    struct pe_error *err) PE_MUST_CHECK;
void store_disk_close(struct store_disk *disk);

/* 1 and the stored form appended to `out`, 0 when there is none. */
int store_disk_get(struct store_disk *disk, const struct job_key *key, struct pe_buf *out,
                   struct pe_error *err) PE_MUST_CHECK;

int store_disk_put(struct store_disk *disk, const struct job_key *key, const void *bytes, size_t size,
                   struct pe_error *err) PE_MUST_CHECK;

/* Write what the system still holds in memory. */
void store_disk_sync(struct store_disk *disk);

#endif
