/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the report of stages and cases (proto/stages.h) to standard output. */
#ifndef PE_GUEST_INIT_RUN_REPORT_H
#define PE_GUEST_INIT_RUN_REPORT_H

#include "guest-init/shim_record.h"
#include "proto/stages.h"

#include <stddef.h>
#include <stdint.h>

/* How much may be written. */
struct run_report {
    size_t left;     /* bytes */
    size_t reserved; /* of these, for the runs that follow */
};

/* How a run has ended. */
struct run_result {
    enum pe_stage_end end; /* PE_STAGE_ENDS: unknown yet */
    int wait_status;
    uint64_t wall_us;
    struct shim_answer usage;
    uint64_t out_cut, error_cut; /* bytes that are not in the report, because it was full */
    const char *sha256;          /* of what the program printed; NULL: not computed */
};

/* Write a frame. If the reader is gone, the process ends. */
void run_report_frame(struct run_report *report, enum pe_stage_frame kind, const void *bytes, size_t size);

/* Write the frame of an end. */
void run_report_end(struct run_report *report, const struct run_result *result);

/* How many bytes of output the next frame may have. The heads of frames count as well, so output in many
 * small pieces also ends. */
size_t run_report_room(const struct run_report *report);

#endif
