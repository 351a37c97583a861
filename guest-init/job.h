/* The job as the guest sees it: the decoded `job` file of the input (proto/guest-contract.md). */
#ifndef PE_GUEST_JOB_H
#define PE_GUEST_JOB_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_ENTROPY_BYTES 32u

struct guest_job {
    uint64_t now_ns; /* CLOCK_REALTIME */
    uint8_t entropy[GUEST_ENTROPY_BYTES];
    uint64_t timeout_ms;    /* for the program, from its start */
    uint64_t stdout_limit;  /* bytes */
    uint64_t stderr_limit;  /* bytes */
    uint64_t output_limit;  /* bytes of stdout, stderr and files together */
    uint64_t output_files;  /* entries below the output folder */
    uint64_t scratch_bytes; /* size of the tmpfs behind everything writable */
    bool new_container;     /* the one that is prepared does not fit this job */
    bool prewarm;           /* of a preparation: make a second container, for prewarming */
    char **globs;           /* owned; which outputs are wanted */
    size_t glob_count;      /* 0: all of them */
};

/* Decode the text of a `job` file. Every key but `output`, `new_container` and `prewarm` has to be there;
 * unknown keys are ignored. The caller frees `job` in either case. */
int guest_job_parse(const void *text, size_t size, struct guest_job *job, struct pe_error *err) PE_MUST_CHECK;

/* Free the globs and zero the struct. */
void guest_job_free(struct guest_job *job);
#define pe_autoguestjob __attribute__((cleanup(guest_job_free)))

#endif
