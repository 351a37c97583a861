/* SPDX-License-Identifier: Apache-2.0 */
/* Templates on disk, which survive a restart of the worker:
 *
 *   DIR/<key>/memory   RAM, a sparse file
 *   DIR/<key>/state    registers and devices
 *
 * DIR is config->templates.dir, and the key is that of worker/template_key.h. A folder gets its
 * final name by one rename(2), so it is complete. Names that begin with "." are unfinished. */
#ifndef PE_WORKER_TEMPLATE_DISK_H
#define PE_WORKER_TEMPLATE_DISK_H

#include "base/error.h"
#include "worker/config.h"
#include "worker/vmm/vmm.h"

/* Read the template `key` into sealed memory files, which the caller owns, and note that it was
 * used now. Fails with PE_ERR_NOT_FOUND if there is none, else with PE_ERR_INTERNAL; `*snapshot` is
 * then VM_SNAPSHOT_NONE. */
int template_disk_load(const struct worker_config *config, const char *key, struct vm_snapshot *snapshot,
                       struct pe_error *err) PE_MUST_CHECK;

/* Write the template `key`, replacing an older one, then remove the least recently used templates
 * until all together fit into config->templates.mib. Fails with PE_ERR_INTERNAL; nothing unfinished is left
 * then. */
int template_disk_store(const struct worker_config *config, const char *key,
                        const struct vm_snapshot *snapshot, struct pe_error *err) PE_MUST_CHECK;

/* Remove the template `key`. It is no error if there is none. */
void template_disk_remove(const struct worker_config *config, const char *key);

/* Remove the unfinished templates of processes that no longer exist. Call it at the start. */
void template_disk_sweep(const struct worker_config *config);

/* Returns the bytes that a snapshot takes in memory or on disk, without its holes. */
uint64_t template_disk_bytes(const struct vm_snapshot *snapshot);

#endif
