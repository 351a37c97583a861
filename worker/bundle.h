/* What the guest is told of a job besides its files: the OCI runtime configuration of the container
 * (config.json, OCI runtime-spec config.md and config-linux.md), the program, and the flat `job`
 * (proto/guest-contract.md). */
#ifndef PE_WORKER_BUNDLE_H
#define PE_WORKER_BUNDLE_H

#include "base/buffer.h"
#include "base/error.h"
#include "proto/image.h"
#include "proto/slot.h"

#include <stdint.h>

/* Which container: both are confined alike, and have cgroups of their own. */
enum bundle_container { BUNDLE_JOB, BUNDLE_PREWARM };

/* Append the runtime configuration of a container for the image: its root, its user. It does not depend on
 * the job, so that the container can be made before there is one. `memory_mib` is the most memory that it may
 * use, its files in /tmp, /work and /output included. */
int bundle_config(enum bundle_container container, const struct pe_image *image, uint32_t memory_mib,
                  struct pe_buf *out, struct pe_error *err) PE_MUST_CHECK;

/* Append words and environment of the job's program. The image's default command is put in when the job has
 * none; PE_ERR_INVALID when there is none or it finds none of its files. */
int bundle_program(const struct pe_job_spec *job, const struct pe_image *image, const struct pe_parts *files,
                   struct pe_buf *out, struct pe_error *err) PE_MUST_CHECK;

/* Append the flat `job`: limits, globs, the time now and fresh entropy. Call it last before `go`. `flag` is a
 * key that is set as well ("new_container", "prewarm"; NULL: none). */
int bundle_job(const struct pe_job_spec *job, const char *flag, struct pe_buf *out,
               struct pe_error *err) PE_MUST_CHECK;

#endif
