/* The body of Piston's POST /execute as a job. First the body is read, then a runtime is found for it: right
 * after the start the hosts may not be there yet. Checks come in Piston's order and with its texts, so that
 * its clients see what they know; docs/piston.md has what differs. */
#ifndef PE_LB_PISTON_REQUEST_H
#define PE_LB_PISTON_REQUEST_H

#include "base/buffer.h"
#include "base/error.h"
#include "lb/core/submission.h"
#include "lb/piston/runtimes.h"
#include "proto/runtimes.h"
#include "proto/stages.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define PISTON_BODY_MAX \
    (4u * 1024u * 1024u) /* bytes of a request: JSON is read at once, and grows in memory */

struct piston_request {
    json_t *body; /* NULL once it has become a job */
    char language[PE_RUNTIME_NAME_MAX + 1], version[PE_RUNTIME_NAME_MAX + 1]; /* the runtime's own */
    bool compiled;
    struct pe_buf contents; /* of the files and of stdin; the job's files point here */
};

/* What a service allows that was told nothing else: Piston's limits, but for a larger output_max_size. */
extern const struct pe_runtime_limits piston_default_limits;

/* Read a body. PE_ERR_MALFORMED and PE_ERR_INVALID have Piston's text, PE_ERR_TOO_LARGE says which limit.
 * `request` is zeroed first and the caller's to free in either case. */
int piston_request_read(const void *body, size_t size, struct piston_request *request,
                        struct pe_error *err) PE_MUST_CHECK;

/* Whether a runtime is as the request wants it. */
bool piston_request_fits(const struct piston_request *request, const struct scheduler *scheduler);

/* Make the job that runs it: `job` has to be zeroed, is the caller's to free in either case, and must not
 * outlive `request`. PE_ERR_INVALID also says that no runtime is as the request wants it. */
int piston_request_resolve(struct piston_request *request, const struct scheduler *scheduler,
                           const struct pe_runtime_limits *limits, struct submission *submission,
                           struct pe_error *err) PE_MUST_CHECK;

void piston_request_free(struct piston_request *request);

/* ---- piston_files.c ---- */

/* Take the files, decoded, and stdin as one more of them, into `job`; `texts` gets the names of those that
 * are text, in order. */
int piston_files_decode(const json_t *body, struct pe_buf *contents, struct submission *submission,
                        struct pe_arguments *texts, struct pe_error *err) PE_MUST_CHECK;

/* Whether a file is text by what was asked for, before anything is made of it. */
bool piston_file_says_text(const json_t *file);

#endif
