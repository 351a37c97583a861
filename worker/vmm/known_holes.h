/* SPDX-License-Identifier: Apache-2.0 */
/* Known holes of VMMs and of the host's kernel: a small table, made by hand, of the releases in which a
 * guest, or a VMM that was taken over, could do more than it should. It names holes in devices that VMs of
 * this project have. A release that is not in the table is not safe for that reason: see the security pages
 * of the VMM and of the distribution. */
#ifndef PE_WORKER_VMM_KNOWN_HOLES_H
#define PE_WORKER_VMM_KNOWN_HOLES_H

#include <stddef.h>

/* When the table was last compared with its sources. */
#define KNOWN_HOLES_DATE "2026-11-27"

#define KNOWN_HOLES_KERNEL "linux"

struct known_hole {
    const char *driver;   /* name of the VMM, as in struct vmm_driver, or KNOWN_HOLES_KERNEL */
    const char *affected; /* releases that have the hole, a range as in codec/semver.h */
    const char *name;     /* its number in the list of CVEs */
    const char *what;     /* who can do what, and with which device */
    const char *fixed;    /* first releases without it */
    const char *source;   /* where these facts are from */
};

/* Find the next hole of a release. `version` is what the driver reports, such as "7.2.22" or "52.0", or the
 * number of a kernel; more text may follow. `*at` is where the search goes on, and 0 at first. Returns NULL
 * if there is no further hole, or if the version is not known. */
const struct known_hole *known_holes_next(const char *driver, const char *version, size_t *at);

#endif
