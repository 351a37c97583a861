/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a snapshot: config.json with the settings of the VM, `memory`, `state`, and `disk-0` and so
 * on with its writable disks. */
#ifndef PE_VM_SNAPSHOT_H
#define PE_VM_SNAPSHOT_H

#include "base/error.h"
#include "vm/config.h"
#include "vm/place.h"
#include "worker/vmm/control.h"

#define SNAPSHOT_MEMORY "memory"
#define SNAPSHOT_STATE "state"

/* Save the VM to a new folder. The VM is paused meanwhile, and goes on afterwards if it ran. On failure there
 * is no folder. PE_ERR_INVALID if the folder exists; PE_ERR_INTERNAL if a file cannot be read or written; and
 * the errors of vm_control_snapshot and vm_control_resume. */
int snapshot_write(const char *folder, const struct vmconfig *config, struct vm_control *control,
                   struct pe_error *err) PE_MUST_CHECK;

/* Read the settings of the saved VM. PE_ERR_NOT_FOUND if the folder has none, PE_ERR_MALFORMED if they are
 * damaged, PE_ERR_TOO_LARGE above 64 KiB, PE_ERR_INTERNAL if they cannot be read. */
int snapshot_read(const char *folder, struct vmconfig *config, struct pe_error *err) PE_MUST_CHECK;

/* Let the settings of a saved VM name the disks that the VM `name` will have in its own folder instead of
 * those of the saved one, which may run on. */
void snapshot_own_disks(const struct place *place, const struct vmname *name, struct vmconfig *config);

/* Copy the disks to where snapshot_own_disks has put them. A disk appears under its name when it is complete.
 * PE_ERR_INTERNAL if one cannot be copied. What was copied stays, and the caller removes the folder. */
int snapshot_copy_disks(const char *folder, const struct vmconfig *config,
                        struct pe_error *err) PE_MUST_CHECK;

/* Open a file of a snapshot for reading. Returns a descriptor, which the caller closes. PE_ERR_INTERNAL if it
 * cannot be opened. */
int snapshot_open_file(const char *folder, const char *name, struct pe_error *err) PE_MUST_CHECK;

#endif
