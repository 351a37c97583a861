/* SPDX-License-Identifier: Apache-2.0 */
/* Cleaning up after owners that were killed. */
#ifndef PE_VM_SWEEP_H
#define PE_VM_SWEEP_H

#include "vm/place.h"

/* Remove what the VMs of killed owners have left on the host: files of VMMs, cgroups, networks. Their folders
 * stay until `pe-vm delete`, and `pe-vm list` calls them dead. Their VMMs and TAP devices have ended with
 * their owners. */
void sweep(const struct place *place);

#endif
