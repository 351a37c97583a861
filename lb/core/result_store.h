/* Results outside this process's memory: on disk (LMDB), so that they outlive a restart, and in memcached,
 * which several balancers share. Both may block, so a helper process of ours does the work (store_keeper.h),
 * and the event loop only exchanges messages with it. Nothing here may fail a job: a store that is slow, full
 * or gone is a store that has nothing. */
#ifndef PE_LB_CORE_RESULT_STORE_H
#define PE_LB_CORE_RESULT_STORE_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/list.h"
#include "base/options.h"
#include "lb/core/job_key.h"
#include "lb/core/job_result.h"
#include "lb/edge/h2o.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct job;

struct result_store_settings {
    const char *folder;              /* of the LMDB environment; NULL: none */
    uint64_t disk_mib;               /* that it may hold */
    struct pe_option_list memcached; /* "HOST:PORT" each */
};

struct result_store {
    const struct result_store_settings *settings;
    h2o_loop_t *loop;
    size_t *account;    /* of the outcomes that come back */
    h2o_socket_t *sock; /* to the helper; NULL while there is none */
    pid_t keeper;       /* 0: not running */
    struct pe_buf out, sending;
    struct list lookups;    /* asked and not answered, in order */
    uint64_t tags;          /* numbers given to lookups */
    h2o_timeout_t patience; /* how long a lookup may take */
    h2o_timeout_t pause;    /* before a helper that ended is started again */
    h2o_timeout_entry_t restart;
    uint64_t hits, misses, timeouts, dropped;
};

/* Start the helper, if anything is configured. `settings` and `account` outlive the store. */
int result_store_init(struct result_store *store, h2o_loop_t *loop,
                      const struct result_store_settings *settings, size_t *account,
                      struct pe_error *err) PE_MUST_CHECK;

/* Ask for a task's result: true, and job_on_lookup is called once from the loop, unless result_store_forget
 * comes first. False: there is nothing to ask. */
bool result_store_lookup(struct result_store *store, struct job *job);
void result_store_forget(struct result_store *store, struct job *job);

/* Keep a complete outcome. */
void result_store_put(struct result_store *store, const struct job_key *key, const struct job_result *result);

/* End the helper and wait for it: what it was given is on disk then. */
void result_store_close(struct result_store *store);

#endif
