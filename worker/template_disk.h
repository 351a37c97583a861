/* Templates on disk, kept across restarts:
 *
 *   DIR/<key>/memory   RAM, sparse
 *   DIR/<key>/state    registers and devices
 *
 * A folder appears under its final name by one rename(2); names starting with "." are unfinished work. The
 * key says everything that the snapshot depends on: what has another key is another template. */
#ifndef PE_WORKER_TEMPLATE_DISK_H
#define PE_WORKER_TEMPLATE_DISK_H

#include "base/error.h"
#include "proto/image.h"
#include "worker/config.h"
#include "worker/vmm/vmm.h"

#define TEMPLATE_KEY_SIZE 65 /* 64 hex digits of a SHA-256, and the NUL */

/* The key of the image's template on this host: kernel, initramfs, VMM and its release, engine, CPU, memory,
 * rootfs, container configuration, warm-up. `host_part` is what template_key_of_worker found. */
int template_key(const struct worker_config *config, const char *host_part, const struct pe_image *image,
                 char key[TEMPLATE_KEY_SIZE], struct pe_error *err) PE_MUST_CHECK;

/* The part that all images share; reads kernel and initramfs whole. */
int template_key_of_worker(const struct worker_config *config, char key[TEMPLATE_KEY_SIZE],
                           struct pe_error *err) PE_MUST_CHECK;

/* Read a template into sealed memory files. PE_ERR_NOT_FOUND when there is none. */
int template_load(const struct worker_config *config, const char *key, struct vm_snapshot *snapshot,
                  struct pe_error *err) PE_MUST_CHECK;

/* Write one, then remove the templates that were not used for longest until all fit into
 * config->template_mib.
 */
int template_store(const struct worker_config *config, const char *key, const struct vm_snapshot *snapshot,
                   struct pe_error *err) PE_MUST_CHECK;

/* Remove one; no error if there is none. */
void template_remove(const struct worker_config *config, const char *key);

/* Remove unfinished work of processes that were killed. For the start. */
void template_sweep(const struct worker_config *config);

/* What a snapshot takes of memory or disk, bytes. */
uint64_t template_bytes(const struct vm_snapshot *snapshot);

#endif
