/* SPDX-License-Identifier: Apache-2.0 */
/* Results in Redis or Valkey, which several balancers share: GET, SET, DEL and AUTH of the protocol RESP2
 * (https://redis.io/docs/latest/develop/reference/protocol-spec/). Blocking code for the store helper
 * (store_keeper.h). A server that fails or breaks the protocol has nothing, and is not asked for a while. */
#ifndef PE_LB_CORE_STORE_REDIS_H
#define PE_LB_CORE_STORE_REDIS_H

#include "base/buffer.h"
#include "base/error.h"
#include "lb/core/job_key.h"

#include <stddef.h>
#include <stdint.h>

enum { STORE_REDIS_SERVERS_MAX = 64 };

struct redis_server {
    const char *where; /* "HOST:PORT", "HOST" or "unix:PATH"; borrowed */
    int fd;            /* -1: not connected */
    uint64_t retry_us; /* when to connect again */
};

struct store_redis {
    struct redis_server servers[STORE_REDIS_SERVERS_MAX];
    size_t count;
    struct pe_buf password; /* empty: none */
};

/* Add a server. PE_ERR_INVALID if there are too many, or it has no host or path. */
int store_redis_add(struct store_redis *redis, const char *where, struct pe_error *err) PE_MUST_CHECK;

/* Read the password from the first line of a file, which no stranger may be able to read. Fails as
 * pe_private_file_read does. */
int store_redis_set_password(struct store_redis *redis, const char *file, struct pe_error *err) PE_MUST_CHECK;

/* Append the value of a key to `out`. Returns 1 if there is one, and 0 if there is none or its server cannot
 * be asked. PE_ERR_INTERNAL without memory. */
int store_redis_get(struct store_redis *redis, const struct job_key *key, struct pe_buf *out,
                    struct pe_error *err) PE_MUST_CHECK;

/* Store a value for `keep_s` seconds, unless it is too large to be shared or the server cannot be asked. */
void store_redis_put(struct store_redis *redis, const struct job_key *key, const void *bytes, size_t size,
                     unsigned keep_s);

/* Delete the value of a key. What could not be deleted is logged. */
void store_redis_remove(struct store_redis *redis, const struct job_key *key);

/* Close all connections. */
void store_redis_close(struct store_redis *redis);

#endif
