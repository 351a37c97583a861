/* SPDX-License-Identifier: Apache-2.0 */
/* The file `job` of the input (proto/guest-contract.md), decoded. */
#ifndef PE_GUEST_INIT_JOB_H
#define PE_GUEST_INIT_JOB_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_ENTROPY_BYTES 32u

struct guest_job {
    uint64_t now_ns; /* CLOCK_REALTIME */
    uint8_t entropy[GUEST_ENTROPY_BYTES];
    uint64_t timeout_ms;       /* of the program, from its start */
    uint64_t stdout_limit;     /* bytes */
    uint64_t stderr_limit;     /* bytes */
    uint64_t output_limit;     /* bytes of stdout, stderr and files together */
    uint64_t output_files;     /* entries below the output folder */
    uint64_t process_limit;    /* processes and threads of the program; 0: that of config.json */
    uint64_t stack_bytes;      /* RLIMIT_STACK of the program; 0: that of the kernel */
    bool live_input;           /* standard input is fed while the program runs (guest-init/live.h) */
    uint64_t rows, cols;       /* then: the size of its terminal; 0: it is a pipe */
    uint64_t scratch_bytes;    /* size of the tmpfs behind everything writable */
    bool new_container;        /* the prepared container does not fit this job */
    bool combined;             /* keep both streams in one buffer as well */
    bool stop_at_output_limit; /* kill the program when a stream exceeds its limit */
    bool prewarm;              /* in a preparation: make a second container for prewarming */
    char **globs;              /* owned; globs of the files to send */
    size_t glob_count;         /* 0: send all files */
};

/* Decode the text of a file `job`. All keys are required except `output`, `process_limit`, `stack_bytes`,
 * `rows`, `cols`, `live_input`, `new_container`, `combined`, `stop_at_output_limit` and `prewarm`. Unknown
 * keys are ignored. PE_ERR_MALFORMED says what is wrong. The caller frees `job`, also after a failure. */
int guest_job_parse(const void *text, size_t size, struct guest_job *job, struct pe_error *err) PE_MUST_CHECK;

/* Free the globs and zero the struct. */
void guest_job_free(struct guest_job *job);
#define pe_autoguestjob __attribute__((cleanup(guest_job_free)))

#endif
