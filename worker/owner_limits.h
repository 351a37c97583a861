/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a host its owner gives to the worker: CPUs and memory. */
#ifndef PE_WORKER_OWNER_LIMITS_H
#define PE_WORKER_OWNER_LIMITS_H

#include "base/error.h"
#include "worker/config.h"

#include <sched.h>

/* Choose the CPUs that `text` means, of those in `allowed`: a number is how many, and the last ones are
 * chosen, because the first one serves most interrupts; "4-7", "0,2-3" or "2," is a list. PE_ERR_INVALID if
 * it is neither, or if this process may not use them. */
int owner_cores_parse(const char *text, const cpu_set_t *allowed, cpu_set_t *chosen,
                      struct pe_error *err) PE_MUST_CHECK;

/* Let this process, and all that it starts, use only the CPUs that `text` means. Fails as owner_cores_parse
 * does, or with PE_ERR_INTERNAL. */
int owner_cores_apply(const char *text, struct pe_error *err) PE_MUST_CHECK;

/* How many CPUs this process may use. */
unsigned owner_cores_count(void);

/* Lower config->ahead, config->slots and the bound on templates until all VMs fit into `mib`, and log what
 * was lowered. The engine must be known. PE_ERR_INVALID if not even one VM fits. */
int owner_memory_apply(struct worker_config *config, uint64_t mib, struct pe_error *err) PE_MUST_CHECK;

#endif
