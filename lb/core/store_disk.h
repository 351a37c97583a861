/* SPDX-License-Identifier: Apache-2.0 */
/* Results on disk: an LMDB environment with a bound on its size. The result that was not used
 * for longest is removed first. Several processes may use one folder.
 *
 * What fails in LMDB, as on a full disk, is PE_ERR_INTERNAL, and nothing has changed then. */
#ifndef PE_LB_CORE_STORE_DISK_H
#define PE_LB_CORE_STORE_DISK_H

#include "base/buffer.h"
#include "base/error.h"
#include "lb/core/job_key.h"

#include <lmdb.h>
#include <stdint.h>

struct store_disk {
    MDB_env *env;    /* NULL: it is not open */
    MDB_dbi results; /* key -> stored form */
    MDB_dbi uses;    /* number of the last use (big endian) -> key */
    MDB_dbi numbers; /* key -> number of the last use, and bytes that count */
    MDB_dbi totals;  /* "bytes" and "uses" -> uint64_t */
    uint64_t bytes_max;
};

/* Open the environment in `folder`, or make it, with at most `bytes_max` bytes of results. A damaged one is
 * emptied. PE_ERR_INTERNAL says what failed, PE_ERR_INVALID if the name of the folder is too long. */
int store_disk_open(struct store_disk *disk, const char *folder, uint64_t bytes_max,
                    struct pe_error *err) PE_MUST_CHECK;

/* Close it. Does nothing if it is not open. */
void store_disk_close(struct store_disk *disk);

/* Append the stored form of a result to `out` and return 1. Return 0 if there is none. That the result was
 * used is written, which can fail; `out` may have its bytes then. Fails also as pe_buf_append does. */
int store_disk_get(struct store_disk *disk, const struct job_key *key, struct pe_buf *out,
                   struct pe_error *err) PE_MUST_CHECK;

/* Remove a result, if there is one. Its pages are reused later; until then, its bytes are still in the
 * file. */
int store_disk_remove(struct store_disk *disk, const struct job_key *key, struct pe_error *err) PE_MUST_CHECK;

/* Remove results that are older than `age_max_s` among the next `count` in the order of keys. `from` says
 * where to begin, and is set to where to go on: it is all zeros at the beginning, and after the last result.
 */
int store_disk_expire(struct store_disk *disk, uint64_t age_max_s, unsigned count, struct job_key *from,
                      struct pe_error *err) PE_MUST_CHECK;

/* Store a result in place of an older one. One that is larger than an eighth of the bound is
 * ignored. */
int store_disk_put(struct store_disk *disk, const struct job_key *key, const void *bytes, size_t size,
                   struct pe_error *err) PE_MUST_CHECK;

/* Sync to disk what the system holds in memory. */
void store_disk_sync(struct store_disk *disk);

#endif
