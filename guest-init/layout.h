/* SPDX-License-Identifier: Apache-2.0 */
/* Paths in the guest: the serial port, mount points and programs (proto/guest-contract.md). The
 * names of block devices are in guest-init/devices.h. */
#ifndef PE_GUEST_INIT_LAYOUT_H
#define PE_GUEST_INIT_LAYOUT_H

#define GUEST_SERIAL_DEVICE "/dev/ttyS0"

#define GUEST_MODULES "/modules" /* *.ko, and `order` with their names in load order */
#define GUEST_CRUN "/usr/bin/crun"

#define GUEST_IMAGE "/run/pe/image" /* the rootfs device, read-only */
#define GUEST_JOB "/run/pe/job"     /* the input device, read-only: crun's bundle, the user's files in dir/ */
#define GUEST_SCRATCH "/run/pe/scratch"   /* tmpfs behind everything writable */
#define GUEST_ROOTFS "/run/pe/rootfs"     /* overlay of image and scratch */
#define GUEST_IDENTITY "/run/pe/identity" /* a tmpfs of two pages, read-only except while it is renewed */
#define GUEST_BOOT_ID GUEST_IDENTITY "/boot_id" /* bound over /proc/sys/kernel/random/boot_id */

/* In scratch: upper and work directories of the overlays, and the output folder. */
#define SCRATCH_ROOT_UPPER GUEST_SCRATCH "/root"
#define SCRATCH_ROOT_WORK GUEST_SCRATCH "/root.work"
#define SCRATCH_WORK_UPPER GUEST_SCRATCH "/work"
#define SCRATCH_WORK_WORK GUEST_SCRATCH "/work.work"
#define SCRATCH_OUTPUT GUEST_SCRATCH "/output"
#define SCRATCH_INPUT_COVER GUEST_SCRATCH "/input" /* what hides the plan of stages in /input */

/* While the files of a case are made: a tmpfs with the upper and work directories of its overlays. */
#define GUEST_CASE "/run/pe/case"
#define CASE_ROOT_UPPER GUEST_CASE "/root"
#define CASE_ROOT_WORK GUEST_CASE "/root.work"
#define CASE_WORK_UPPER GUEST_CASE "/work"
#define CASE_WORK_WORK GUEST_CASE "/work.work"
#define CASE_LOWER_ROOT "/run/pe/case-root" /* / and /work of the container, as the stages left them */
#define CASE_LOWER_WORK "/run/pe/case-work"

#define GUEST_CGROUP_ROOT "/sys/fs/cgroup"

/* The cgroups above those of the containers: config.json names /job/container, and prewarm.json
 * /prewarm/container. Beside a container's cgroup are those of its program and of a stage. */
#define GUEST_CGROUP_JOB "/sys/fs/cgroup/job"
#define GUEST_CGROUP_PREWARM "/sys/fs/cgroup/prewarm"
#define GUEST_CGROUP_CONTAINER "container"
#define GUEST_CGROUP_PROGRAM "program"
#define GUEST_CGROUP_STAGE "stage"

#endif
