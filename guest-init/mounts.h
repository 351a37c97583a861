/* Everything the guest mounts: the machine's own file systems, the image, the job's input, scratch. What a
 * running container gets mounted is job_mounts.h. */
#ifndef PE_GUEST_MOUNTS_H
#define PE_GUEST_MOUNTS_H

#include "base/error.h"

#include <stdint.h>

/* Make / a mount that crun can pivot_root(2) out of, and mount proc, sysfs, devtmpfs, cgroup2 and tmpfs. Also
 * makes sure that descriptors 0 to 2 are open, since the kernel starts init without them. */
int mounts_machine(struct pe_error *err) PE_MUST_CHECK;

/* Wait until the three pmem devices are there, and mount the image. */
int mounts_image(struct pe_error *err) PE_MUST_CHECK;

/* Whether the host has put a file system on `device`: 1 or 0. */
int mounts_has_squashfs(const char *device, struct pe_error *err) PE_MUST_CHECK;

/* Mount the squashfs of `device` at GUEST_JOB. */
int mounts_input(const char *device, struct pe_error *err) PE_MUST_CHECK;

/* Unmount it and forget every byte of `device`, which gets another use. */
int mounts_input_drop(const char *device, struct pe_error *err) PE_MUST_CHECK;

/* Make scratch, limited to `bytes` (0: as large as a job's may be), and lay the container's writable root
 * over the image. */
int mounts_scratch(uint64_t bytes, struct pe_error *err) PE_MUST_CHECK;

/* Unmount both again, with everything that was written there. A container that uses them keeps them until it
 * ends.
 */
int mounts_scratch_drop(struct pe_error *err) PE_MUST_CHECK;

/* Lay a second scratch over the first, and take it away again with all that is in it: what prewarming writes
 * is not the job's. */
int mounts_scratch_cover(uint64_t bytes, struct pe_error *err) PE_MUST_CHECK;
int mounts_scratch_uncover(struct pe_error *err) PE_MUST_CHECK;

/* Change the limit. */
int mounts_scratch_limit(uint64_t bytes, struct pe_error *err) PE_MUST_CHECK;

#endif
