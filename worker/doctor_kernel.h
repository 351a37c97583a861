/* SPDX-License-Identifier: Apache-2.0 */
/* Checks for `pe-worker doctor` whose answers are in files of the kernel, each a line of the report. `top` is
 * put in front of paths in /proc, /sys and /dev; it is "" for this host. */
#ifndef PE_WORKER_DOCTOR_KERNEL_H
#define PE_WORKER_DOCTOR_KERNEL_H

#include "doctor/report.h"

#include <stdbool.h>

/* Add host.kvm, host.cpu, host.cgroups, host.seccomp and host.user-namespaces. `own_kernel` is as in struct
 * vm_host. */
void doctor_say_kvm(struct doctor_report *report, const char *top, bool own_kernel);
void doctor_say_cpu(struct doctor_report *report, const char *top);
void doctor_say_cgroups(struct doctor_report *report, const char *top);
void doctor_say_seccomp(struct doctor_report *report, const char *top);
void doctor_say_user_namespaces(struct doctor_report *report, const char *top, bool is_root);

/* Add the checks vmm.NAME of one VMM, which reports the version `version`: its known holes
 * (worker/vmm/known_holes.h). */
void doctor_say_holes(struct doctor_report *report, const char *driver, const char *title,
                      const char *version);

/* Add host.kernel: known holes of the kernel whose release and build uname(2) tells. */
void doctor_say_kernel(struct doctor_report *report, const char *release, const char *build);

#endif
