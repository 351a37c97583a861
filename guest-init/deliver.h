/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the report and the output files to the output device. */
#ifndef PE_GUEST_INIT_DELIVER_H
#define PE_GUEST_INIT_DELIVER_H

#include "base/error.h"
#include "guest-init/exit_report.h"
#include "guest-init/job.h"

/* Write the archive that proto/guest-contract.md defines. Files that cannot be sent are counted in
 * `report`. If the status is EXIT_REPORT_VM_ERROR, no files are sent; it is set if the files cannot be read.
 * PE_ERR_TOO_LARGE if the device has no room for the streams, PE_ERR_INTERNAL if it cannot be written. */
int deliver(const struct guest_job *job, struct exit_report *report, struct pe_error *err) PE_MUST_CHECK;

#endif
