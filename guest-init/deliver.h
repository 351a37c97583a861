/* Writing the report and the outputs to the output device. */
#ifndef PE_GUEST_DELIVER_H
#define PE_GUEST_DELIVER_H

#include "base/error.h"
#include "guest-init/exit_report.h"
#include "guest-init/job.h"

/* Write the whole archive of proto/guest-contract.md. Counts outputs that cannot be sent into `report`. Of
 * an report that is a vm_error no output files are sent. */
int deliver(const struct guest_job *job, struct exit_report *report, struct pe_error *err) PE_MUST_CHECK;

#endif
