/* SPDX-License-Identifier: Apache-2.0 */
/* Results outside of this process's memory: on disk (LMDB), so that they survive a restart, and
 * in memcached or Redis, which several balancers share. All may block, so a helper process does the work
 * (store_keeper.h) and the event loop only exchanges messages with it. The store can never fail
 * a job: if it is slow, full or gone, a lookup finds nothing. Not to be confused with the image
 * store of the workers (store/). */
#ifndef PE_LB_CORE_RESULT_STORE_H
#define PE_LB_CORE_RESULT_STORE_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/list.h"
#include "base/options.h"
#include "lb/core/helper.h"
#include "lb/core/job_key.h"
#include "lb/core/job_result.h"
#include "lb/core/loop.h"

#include <stdbool.h>
#include <stdint.h>

enum { RESULT_STORE_SERVERS_MAX = 64, RESULT_STORE_SERVER_SIZE = 320 }; /* of memcached, or of Redis */

struct result_store_settings {
    const char *folder;              /* of the LMDB environment; NULL: none */
    uint64_t disk_mib;               /* size limit of that environment */
    uint64_t age_max_s;              /* of results; 0: no limit */
    struct pe_option_list memcached; /* servers, each "HOST:PORT" */
    struct pe_option_list redis;     /* the same, or "unix:PATH"; only one of both lists may be filled */
    const char *redis_password_file; /* NULL: none */
};

struct result_store {
    const struct result_store_settings *settings;
    struct loop *loop;
    size_t *account; /* of the results that are read */
    struct helper helper;
    char disk_mib_text[24], age_text[24];                               /* arguments of it */
    char redis[RESULT_STORE_SERVERS_MAX + 1][RESULT_STORE_SERVER_SIZE]; /* likewise */
    const char *arguments[RESULT_STORE_SERVERS_MAX + 8];
    struct pe_list lookups; /* lookups without an answer, in order */
    uint64_t tags;          /* numbers that were given to lookups */
    uint64_t hits, misses, timeouts, dropped;
};

/* The answer to a lookup: a result that is borrowed for the call, or NULL. */
typedef void result_store_callback(void *data, struct job_result *result);

/* Start the helper if a folder or servers are configured. `loop`, `settings` and `account` must
 * outlive the store, which must stay where it is. PE_ERR_INVALID for more than 64 servers, for one whose
 * name is too long, and for a password file that others may read (pe_private_file_check_path());
 * otherwise fails as helper_start() does. */
int result_store_init(struct result_store *store, struct loop *loop,
                      const struct result_store_settings *settings, size_t *account,
                      struct pe_error *err) PE_MUST_CHECK;

/* Look up the result of a job. Returns true if `callback` will be called from the event loop,
 * once, unless result_store_forget() is called first. A lookup that takes longer than 400 ms
 * counts as a miss. Returns false if there is no store to ask. */
bool result_store_lookup(struct result_store *store, const struct job_key *key,
                         result_store_callback *callback, void *data);

/* Forget all lookups whose callback would receive `data`. */
void result_store_forget(struct result_store *store, const void *data);

/* Store a complete result. It is dropped if the helper does not keep up. */
void result_store_put(struct result_store *store, const struct job_key *key, const struct job_result *result);

/* Delete a result. Returns false if the helper cannot be told, because it is being restarted or does not keep
 * up. Lookups behind this call do not find the result. */
bool result_store_remove(struct result_store *store, const struct job_key *key);

/* Send all that is still queued, which may block, then end the helper and wait for it. After
 * that, everything is on disk. A helper that reads nothing for ten seconds loses what is queued. */
void result_store_close(struct result_store *store);

#endif
