/* The body of POST /v1/run as a typed request: everything about it that can be checked without knowing the
 * worker hosts is checked here. */
#ifndef PE_LB_CORE_SUBMISSION_H
#define PE_LB_CORE_SUBMISSION_H

#include "base/error.h"
#include "proto/job_spec.h"
#include "proto/slot.h"

#include <stddef.h>
#include <stdint.h>

/* Names of all input files together, bytes. Percent-encoded they must fit into one slot message. */
#define SUBMISSION_NAMES_MAX (1024u * 1024u)

struct submission {
    struct pe_job_spec spec;
    struct pe_cursor spec_text; /* the job as it was sent, in the body: valid JSON once it was parsed */
    struct pe_parts files;      /* in the order in which they were sent */
    const uint8_t **bytes; /* files.count pointers into the body; the array is owned, the bytes are not */
    uint64_t total;        /* bytes of all files */
    size_t names;          /* bytes of all names */
};

/* Parse and validate. `request` is zeroed first, points into `body`, and is the caller's to free in either
 * case. PE_ERR_MALFORMED: not the form it should be; PE_ERR_INVALID: a job or a file name that is not
 * allowed; PE_ERR_TOO_LARGE: says which limit and how large. */
int submission_parse(const char *content_type, size_t content_type_size, const void *body, size_t size,
                     struct submission *submission, struct pe_error *err) PE_MUST_CHECK;

/* The same limits and rules between files, for a request that was put together otherwise. */
int submission_check(const struct submission *submission, struct pe_error *err) PE_MUST_CHECK;

void submission_free(struct submission *submission);

#endif
