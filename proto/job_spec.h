/* A job as the client asks for it: the `job` part of POST /v1/run (docs/api.md). */
#ifndef PE_PROTO_JOB_SPEC_H
#define PE_PROTO_JOB_SPEC_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pe_job_spec {
    char *image;      /* "name:tag" (tag filled in: latest) or "name@sha256:<64 hex>" */
    char **cmd;       /* NULL: the image's default command */
    size_t cmd_count; /* at least 1 when cmd is set */
    char **env;       /* "KEY=value" each */
    size_t env_count;
    char *stdin_name;    /* which uploaded file is standard input, or NULL: /dev/null */
    uint32_t timeout_ms; /* 1..PE_TIMEOUT_MS_MAX; the default when the client named none */
    char **outputs;      /* globs below /output; none: everything */
    size_t output_count;
    bool cache;
};

/* Decode and validate. PE_ERR_MALFORMED: not JSON; PE_ERR_INVALID: names the field. `job` is zeroed first and
 * owned by the caller in either case. Unknown fields are refused by name: a typo must not be ignored
 * silently. */
int pe_job_spec_decode(const char *json, size_t size, struct pe_job_spec *job,
                       struct pe_error *err) PE_MUST_CHECK;
int pe_job_spec_from_json(const json_t *json, struct pe_job_spec *job, struct pe_error *err) PE_MUST_CHECK;

/* The same job as a new JSON object (reference owned by the caller); NULL without memory. */
json_t *pe_job_to_json(const struct pe_job_spec *job);

void pe_job_spec_free(struct pe_job_spec *job);
#define pe_autojobspec __attribute__((cleanup(pe_job_spec_free)))

static inline void pe_cleanup_json(json_t **json)
{
    json_decref(*json);
}
#define pe_autojson __attribute__((cleanup(pe_cleanup_json)))

#endif
