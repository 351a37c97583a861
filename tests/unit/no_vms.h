/* SPDX-License-Identifier: Apache-2.0 */
/* Stand-ins for what the templates of a worker need of VMs and slots, for tests that have neither. */
#ifndef PE_TESTS_NO_VMS_H
#define PE_TESTS_NO_VMS_H

#include "base/cleanup.h"
#include "worker/slot_helper.h"
#include "worker/vmm/vmm.h"

/* As the real one, which comes with all of worker/vmm. */
void vm_snapshot_close(struct vm_snapshot *snapshot)
{
    pe_cleanup_close(&snapshot->memory_fd);
    pe_cleanup_close(&snapshot->state_fd);
    *snapshot = VM_SNAPSHOT_NONE;
}

/* Only a slot without rights needs a helper to connect. */
int slot_helper_connect_templates(struct slot_helper *helper, struct pe_error *err)
{
    (void)helper;
    return pe_fail(err, PE_ERR_INTERNAL, "there is no helper");
}

#endif
