/* Where things lie in the guest: devices, mount points, programs (proto/guest-contract.md). */
#ifndef PE_GUEST_LAYOUT_H
#define PE_GUEST_LAYOUT_H

#define GUEST_ROOTFS_DEVICE "/dev/pmem0"
#define GUEST_INPUT_DEVICE "/dev/pmem1"
#define GUEST_OUTPUT_DEVICE "/dev/pmem2"
#define GUEST_CONTROL_DEVICE "/dev/ttyS0"

#define GUEST_MODULES "/modules" /* *.ko, and `order` with their names in load order */
#define GUEST_CRUN "/usr/bin/crun"

#define GUEST_IMAGE "/run/pe/image"     /* the rootfs device, read-only */
#define GUEST_JOB "/run/pe/job"         /* the input device, read-only: crun's bundle */
#define GUEST_SCRATCH "/run/pe/scratch" /* tmpfs behind everything writable */
#define GUEST_ROOTFS "/run/pe/rootfs"   /* overlay of image and scratch */
#define GUEST_INPUT "/run/pe/input"     /* the user's files, read-only */
#define GUEST_WORK "/run/pe/work"       /* overlay of the user's files and scratch */
#define GUEST_OUTPUT "/run/pe/output"   /* a directory of scratch, bound */

#define GUEST_CGROUP_ROOT "/sys/fs/cgroup"
#define GUEST_CGROUP "/sys/fs/cgroup/job"

#endif
