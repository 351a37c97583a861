/* SPDX-License-Identifier: Apache-2.0 */
/* The table of known holes. Ranges are those of releases of the project; a distribution may have put a fix
 * into an older release, so a finding says to look there. */
#include "worker/vmm/known_holes.h"

#include "codec/semver.h"

#include <stdio.h>
#include <string.h>

/* When you change this table, set KNOWN_HOLES_DATE. */
static const struct known_hole table[] = {
    {"cloud-hypervisor", ">=34.0.0 <50.1.0", "CVE-2026-27211",
     "a guest can read files of the host, if it can write the header of a raw disk (VMs of pe-vm, not of "
     "jobs)",
     "50.1", "github.com/cloud-hypervisor/cloud-hypervisor/security/advisories/GHSA-jmr4-g2hv-mjj6"},
    {"qemu", "<7.2.9", "CVE-2023-6693",
     "a guest can overflow the VMM's stack through virtio-net (VMs of pe-vm, not of jobs)", "7.2.9",
     "the changelog of Debian's qemu 1:7.2+dfsg-7+deb12u4, which is QEMU 7.2.9"},
    {"qemu", "6.2.0", "CVE-2022-26353",
     "a guest can use up the VMM's memory through virtio-net (VMs of pe-vm, not of jobs)", "7.0.0",
     "github.com/NixOS/nixpkgs/issues/166687"},
    {"qemu", "<6.2.0", "CVE-2021-3748",
     "a guest can use memory of the VMM after it was freed, through virtio-net (VMs of pe-vm, not of jobs)",
     "6.2.0", "the changelog of Debian's qemu 1:6.1+dfsg-6; github.com/NixOS/nixpkgs/issues/166686"},
    {KNOWN_HOLES_KERNEL, ">=5.8.0 <5.10.102 || >=5.11.0 <5.15.25 || >=5.16.0 <5.16.11", "CVE-2022-0847",
     "a VMM that was taken over can change files that it may only read, such as images",
     "5.10.102, 5.15.25 or 5.16.11", "dirtypipe.cm4all.com"},
    {KNOWN_HOLES_KERNEL, "<4.19.205 || >=4.20.0 <5.4.142 || >=5.5.0 <5.10.60 || >=5.11.0 <5.13.12",
     "CVE-2021-3653, CVE-2021-3656",
     "a guest that sees SVM can read and write memory of the host (KVM on AMD, nested virtualization)",
     "4.19.205, 5.4.142, 5.10.60 or 5.13.12",
     "the announcements of these releases, August 2021, \"KVM: nSVM: avoid picking up unsupported bits\""},
};

/* The three numbers at the beginning of a version; one that is missing is 0. */
static int parse(const char *version, struct pe_semver *numbers)
{
    unsigned part[3] = {0, 0, 0};
    char text[48];
    if (sscanf(version, "%9u.%9u.%9u", &part[0], &part[1], &part[2]) < 1)
        return -1;
    snprintf(text, sizeof text, "%u.%u.%u", part[0], part[1], part[2]);
    return pe_semver_parse(text, numbers) ? 0 : -1;
}

const struct known_hole *known_holes_next(const char *driver, const char *version, size_t *at)
{
    struct pe_semver numbers;
    if (parse(version, &numbers) < 0)
        return NULL;
    while (*at < sizeof table / sizeof *table) {
        const struct known_hole *hole = &table[(*at)++];
        if (!strcmp(hole->driver, driver) && pe_semver_satisfies(&numbers, hole->affected))
            return hole;
    }
    return NULL;
}
