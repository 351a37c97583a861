/* What the guest is told of a job besides its files: the OCI runtime configuration (config.json, OCI
 * runtime-spec config.md and config-linux.md) and the flat `job` (proto/guest-contract.md). */
#ifndef PE_WORKER_BUNDLE_H
#define PE_WORKER_BUNDLE_H

#include "base/buffer.h"
#include "base/error.h"
#include "proto/image.h"
#include "proto/slot.h"

#include <stdint.h>

/* Append the runtime configuration for `job` in `image`. The image's default command is put in when the job
 * has none; PE_ERR_INVALID when there is none or it finds none of its files. `memory_mib` is the most memory
 * that the container may use, its files in /tmp, /work and /output included. */
int bundle_config(const struct pe_job *job, const struct pe_image *image, const struct pe_parts *files,
                  uint32_t memory_mib, struct pe_buf *out, struct pe_error *err) PE_MUST_CHECK;

/* Append the flat `job`: limits, globs, the time now and fresh entropy. Call it last before `go`. */
int bundle_job(const struct pe_job *job, struct pe_buf *out, struct pe_error *err) PE_MUST_CHECK;

#endif
