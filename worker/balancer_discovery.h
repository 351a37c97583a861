/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the balancers behind the names of --server: all addresses of a host, and all targets of a service
 * (SRV records, RFC 2782). It is done by a process of its own without rights, because answers of DNS are
 * bytes of strangers, and again and again, because they change. */
#ifndef PE_WORKER_BALANCER_DISCOVERY_H
#define PE_WORKER_BALANCER_DISCOVERY_H

#include "base/error.h"
#include "worker/balancer_list.h"
#include "worker/config.h"

#include <stdint.h>

/* The exit status of the process when it has found other balancers. */
enum { BALANCER_DISCOVERY_CHANGED = 3 };

#define BALANCER_DISCOVERY_MS 30000u /* between two looks */

/* Memory that the process shares with the supervisor, which reads it after the exit. Never freed. Returns
 * NULL with PE_ERR_INTERNAL without memory. */
struct balancer_list *balancer_discovery_share(struct pe_error *err);

/* Give up that memory, in all processes but these two: with it, they could say where the worker sends its
 * token. */
void balancer_discovery_unshare(struct worker_config *config);

/* Whether one of the servers is a name that has to be looked up. */
bool balancer_discovery_is_needed(const struct worker_config *config);

/* The process. If config->balancers_are_known, it first waits for BALANCER_DISCOVERY_MS. When the names stand
 * for others than config->balancers, or are looked up for the first time, it writes the list to
 * config->discovered and returns BALANCER_DISCOVERY_CHANGED. If a name cannot be resolved, what it stood for
 * before stays. Returns 1 if it cannot give up its rights. */
int balancer_discovery_main(const struct worker_config *config);

/* The targets of an SRV record in the answer of a name server: those of the lowest priority, added to `list`
 * with `scheme` ("http" or "https") as their URLs. PE_ERR_MALFORMED if it is no such answer. */
int balancer_discovery_read_targets(const uint8_t *answer, size_t size, const char *scheme,
                                    struct balancer_list *list, struct pe_error *err) PE_MUST_CHECK;

#endif
