/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest gets in addition to the files of a job (proto/guest-contract.md): the OCI runtime
 * configuration of the container (config.json; OCI runtime-spec, config.md and config-linux.md),
 * the program, and the flat text `job`. */
#ifndef PE_WORKER_JOB_BUNDLE_H
#define PE_WORKER_JOB_BUNDLE_H

#include "base/buffer.h"
#include "base/error.h"
#include "proto/image.h"
#include "proto/slot.h"
#include "worker/job/input.h"

#include <stdint.h>

/* The containers of a guest. They are confined in the same way, and differ in their cgroup. */
enum bundle_container { BUNDLE_JOB, BUNDLE_PREWARM };

/* Append the runtime configuration of a container to `out`. It depends on the image (rootfs and
 * user) but not on the job, so that the container can be created before the job arrives.
 * `memory_mib` limits the memory of the container, including its files in /tmp, /work and /output.
 * Fails with PE_ERR_INTERNAL without memory. */
int bundle_config(enum bundle_container container, const struct pe_image *image, uint32_t memory_mib,
                  struct pe_buf *out, struct pe_error *err) PE_MUST_CHECK;

/* Append arguments and environment of the job's program to `out`. With a terminal (`live`; NULL: none), TERM
 * is in the environment. A job without a command runs the image's default command. Fails with PE_ERR_INVALID
 * if there is none, or none of the job's files fits it, with PE_ERR_TOO_LARGE if arguments and environment
 * exceed PE_PROGRAM_BYTES_MAX, and with PE_ERR_INTERNAL without memory. */
int bundle_program(const struct pe_job_spec *job, const struct pe_live_input *live,
                   const struct pe_image *image, const struct pe_parts *files, struct pe_buf *out,
                   struct pe_error *err) PE_MUST_CHECK;

/* Append the flat text `job` to `out`: limits, output globs, the current time and new entropy. Call
 * it immediately before `go`. `live` says whether its input is typed (NULL: it is not). `flag` is one
 * more key that is set to 1 ("new_container" or "prewarm"), or NULL. PE_ERR_INTERNAL without memory. */
int bundle_job(const struct pe_job_spec *job, const struct pe_live_input *live, const char *flag,
               struct pe_buf *out, struct pe_error *err) PE_MUST_CHECK;

/* Fill `*texts` for input_finish with everything that a guest gets beside the files of its job: the three
 * above. `new_container`: the guest shall make a new container for the job. The caller frees `*texts`, also
 * after a failure. Call it immediately before `go`. Errors are those of the functions above. */
int bundle_texts(const struct pe_job_spec *job, const struct pe_live_input *live,
                 const struct pe_image *image, const struct pe_parts *files, uint32_t memory_mib,
                 bool new_container, struct input_texts *texts, struct pe_error *err) PE_MUST_CHECK;

#endif
