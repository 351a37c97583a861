/* SPDX-License-Identifier: Apache-2.0 */
/* The description of a job: the part `job` of POST /v1/run (docs/api.md). */
#ifndef PE_PROTO_JOB_SPEC_H
#define PE_PROTO_JOB_SPEC_H

#include "base/error.h"
#include "proto/isolation.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pe_job_spec {
    char *image;      /* "name:tag", where a missing tag is "latest", or "name@sha256:<64 hex>" */
    char **cmd;       /* NULL: the image's default command */
    size_t cmd_count; /* at least 1 if cmd is set */
    char **env;       /* "KEY=value" each */
    size_t env_count;
    char *stdin_name;         /* the uploaded file that is standard input; NULL: /dev/null */
    uint32_t timeout_ms;      /* 1..PE_JOB_MS_MAX */
    bool has_timeout;         /* decoded: the job says timeout_ms itself */
    uint32_t process_limit;   /* processes and threads, 1..PE_PIDS_MAX; 0: PE_PIDS_MAX */
    uint32_t stack_limit_kib; /* RLIMIT_STACK, PE_STACK_KIB_MIN..PE_STACK_KIB_MAX; 0: that of the kernel */
    char **outputs;           /* globs (codec/glob.h) below /output; none: everything */
    size_t output_count;
    bool cache;                /* the result may come from the cache */
    bool combined;             /* the result has stdout and stderr in one part as well */
    bool stop_at_output_limit; /* end the job when stdout or stderr exceeds its limit, not only cut it */
    bool cut_at_output_limit;  /* the job says so; if neither is set, it says nothing and is cut as well */
    uint32_t stdout_max; /* bytes of stdout that are kept, 1..PE_OUTPUT_BYTES_MAX; 0: PE_STDOUT_BYTES_MAX */
    uint32_t stderr_max; /* the same for stderr */
    struct pe_isolation_set isolation; /* what the job demands of its host; zero: any will do */
};

/* Decode and check a job. PE_ERR_MALFORMED if the text is not JSON, or a member occurs twice;
 * PE_ERR_INVALID names the wrong field; PE_ERR_INTERNAL without memory. Unknown fields are refused, because
 * a misspelt field must not be ignored. The caller frees `job`, which need not be initialised, also after a
 * failure. */
int pe_job_spec_decode(const char *json, size_t size, struct pe_job_spec *job,
                       struct pe_error *err) PE_MUST_CHECK;

/* Check what holds only for a job that a client has described, and not for one that the balancer has made
 * of stages: PE_ERR_INVALID if the time limit is above PE_TIMEOUT_MS_MAX. */
int pe_job_spec_check_client(const struct pe_job_spec *job, struct pe_error *err) PE_MUST_CHECK;

/* Set what holds for a job whose input is typed, as far as the job does not say otherwise: its streams may be
 * longer (PE_LIVE_STREAM_BYTES), and it ends when they are full. */
void pe_job_spec_set_live_defaults(struct pe_job_spec *job);

/* How many bytes of a stream are kept. */
uint32_t pe_job_spec_stdout_max(const struct pe_job_spec *job);
uint32_t pe_job_spec_stderr_max(const struct pe_job_spec *job);

/* The same as pe_job_spec_decode for a parsed JSON value, with the same errors. */
int pe_job_spec_from_json(const json_t *json, struct pe_job_spec *job, struct pe_error *err) PE_MUST_CHECK;

/* The job as a new JSON object, whose reference is the caller's; NULL without memory. */
json_t *pe_job_spec_to_json(const struct pe_job_spec *job);

/* Free the members. The struct is zero then. */
void pe_job_spec_free(struct pe_job_spec *job);
#define pe_autojobspec __attribute__((cleanup(pe_job_spec_free)))

/* For pe_autojson: drop a reference to a JSON value, unless it is NULL. */
static inline void pe_cleanup_json(json_t **json)
{
    json_decref(*json);
}
#define pe_autojson __attribute__((cleanup(pe_cleanup_json)))

#endif
