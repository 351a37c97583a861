/* Everything the guest mounts: the machine's own file systems, the image, the job's tree. */
#ifndef PE_GUEST_MOUNTS_H
#define PE_GUEST_MOUNTS_H

#include "base/error.h"

#include <stdint.h>

/* Make / a mount that crun can pivot_root(2) out of, and mount proc, sysfs, devtmpfs, cgroup2 and tmpfs. Also
 * makes sure that descriptors 0 to 2 are open, since the kernel starts init without them. */
int mounts_machine(struct pe_error *err) PE_MUST_CHECK;

/* Wait until the three pmem devices are there, mount the image and lay the writable root over it. Knows
 * nothing of a job and does not touch the input device, whose content the host has yet to write. */
int mounts_image(struct pe_error *err) PE_MUST_CHECK;

/* Mount the input device: GUEST_JOB is there. */
int mounts_input(struct pe_error *err) PE_MUST_CHECK;

/* Limit scratch to `scratch_bytes` and make GUEST_INPUT, GUEST_WORK and GUEST_OUTPUT. */
int mounts_job(uint64_t scratch_bytes, struct pe_error *err) PE_MUST_CHECK;

#endif
