/* SPDX-License-Identifier: Apache-2.0 */
/* The file `job` of a guest's input, as pe-init reads it. A job that is accepted keeps the limits. */
#include "guest-init/job.h"
#include "proto/limits.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pe_autoguestjob struct guest_job job;
    struct pe_error err;
    if (guest_job_parse(bytes, size, &job, &err) < 0)
        return 0;
    HOLDS(job.timeout_ms <= PE_JOB_MS_MAX && job.scratch_bytes > 0);
    HOLDS(job.stdout_limit <= PE_OUTPUT_DEVICE_BYTES && job.stderr_limit <= PE_OUTPUT_DEVICE_BYTES);
    HOLDS(job.output_limit <= PE_OUTPUT_DEVICE_BYTES && job.output_files <= PE_OUTPUT_FILES_MAX);
    HOLDS(job.glob_count <= PE_GLOBS_MAX);
    for (size_t i = 0; i < job.glob_count; i++)
        HOLDS(job.globs[i]);
    return 0;
}
