/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of the guest: the file systems of the machine, the image, the input and scratch.
 * guest-init/job_mounts.h mounts into containers. Unless something else is said, what can fail fails with
 * PE_ERR_INTERNAL, and names what was to be mounted or unmounted, and where. */
#ifndef PE_GUEST_INIT_MOUNTS_H
#define PE_GUEST_INIT_MOUNTS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* The greatest number of names in scratch. Each needs about 1 KiB of kernel memory, which is
 * charged to the container's cgroup. */
#define MOUNTS_SCRATCH_INODES "131072"

/* Make / a mount that crun can leave with pivot_root(2), and mount proc, sysfs, devtmpfs, cgroup2
 * and tmpfs. Open the descriptors 0 to 2, which the kernel does not give to PID 1 when there is no
 * console. */
int mounts_machine(struct pe_error *err) PE_MUST_CHECK;

/* Let the files of GUEST_IDENTITY be written, or not. They are also mounted in containers, where a mount that
 * is a copy of a read-only one can be writable. So it is the file system that is read-only. */
int mounts_identity_writable(bool writable, struct pe_error *err) PE_MUST_CHECK;

/* Wait for the devices of the image, the input and the output, and mount the image. PE_ERR_NOT_FOUND if one
 * of them does not appear. The live device is opened only when it is used (guest-init/live.h). */
int mounts_image(struct pe_error *err) PE_MUST_CHECK;

/* Returns 1 if the device has a squashfs, and 0 if not. */
int mounts_has_squashfs(const char *device, struct pe_error *err) PE_MUST_CHECK;

/* Mount the squashfs on a device at GUEST_JOB. */
int mounts_input(const char *device, struct pe_error *err) PE_MUST_CHECK;

/* Unmount it, and drop the page cache of the device, because the host or pe-init will write to it.
 */
int mounts_input_drop(const char *device, struct pe_error *err) PE_MUST_CHECK;

/* Mount scratch, a tmpfs of at most `bytes` (0: PE_SCRATCH_BYTES_MAX), with the folders of a job, and the
 * overlay of image and scratch at GUEST_ROOTFS. */
int mounts_scratch(uint64_t bytes, struct pe_error *err) PE_MUST_CHECK;

/* Unmount the overlay, so that only a container has it. */
int mounts_rootfs_drop(struct pe_error *err) PE_MUST_CHECK;

/* Unmount both. What was written there is lost, but a container keeps its mounts until it ends. */
int mounts_scratch_drop(struct pe_error *err) PE_MUST_CHECK;

/* Mount a second scratch over the first one, with the folders of a job, so that the job does not see what
 * prewarming writes.
 */
int mounts_scratch_cover(uint64_t bytes, struct pe_error *err) PE_MUST_CHECK;

/* Unmount the second scratch. Its content is lost. */
int mounts_scratch_uncover(struct pe_error *err) PE_MUST_CHECK;

/* Change the size limit of scratch; 0 is PE_SCRATCH_BYTES_MAX. */
int mounts_scratch_limit(uint64_t bytes, struct pe_error *err) PE_MUST_CHECK;

#endif
