/* SPDX-License-Identifier: Apache-2.0 */
/* The body of Piston's POST /execute as a job. First the body is read. Then a runtime is found
 * for it: just after the start of the balancer, the workers may not have connected yet. Checks
 * have Piston's order and texts, because its clients know them. Differences are listed in
 * docs/piston.md. */
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
    (4u * 1024u * 1024u) /* bytes of a request, which is parsed as a whole and needs more memory then */

/* Values in the JSON of a request: enough for 4096 files with all their members, and 1024 args. */
#define PISTON_VALUES_MAX 32768u

struct piston_request {
    json_t *body; /* NULL once it was made into a job */
    char language[PE_RUNTIME_NAME_MAX + 1],
        version[PE_RUNTIME_NAME_MAX + 1]; /* of the runtime that was found */
    bool compiled;
    bool is_interactive; /* of GET /connect: stdin is typed, and output is not limited; set after reading */
    struct pe_buf contents; /* of the files and of stdin; the files of the submission point here */
};

/* The default limits: those of Piston, except for a larger output_max_size. */
extern const struct pe_runtime_limits piston_default_limits;

/* Read a body. PE_ERR_MALFORMED and PE_ERR_INVALID have Piston's texts; PE_ERR_TOO_LARGE says
 * which limit is exceeded. `request` is zero-initialised first, and must be freed by the caller
 * even after a failure. */
int piston_request_read(const void *body, size_t size, struct piston_request *request,
                        struct pe_error *err) PE_MUST_CHECK;

/* Whether a worker has a runtime that the request selects. */
bool piston_request_fits(const struct piston_request *request, const struct scheduler *scheduler);

/* Make the job. `submission` must be zero-initialised, must be freed by the caller even after a
 * failure, and must not outlive `request`. PE_ERR_INVALID also if no runtime is found; otherwise fails like
 * piston_request_read(), and with PE_ERR_INTERNAL without memory. */
int piston_request_resolve(struct piston_request *request, const struct scheduler *scheduler,
                           const struct pe_runtime_limits *limits, struct submission *submission,
                           struct pe_error *err) PE_MUST_CHECK;

/* Free what `request` owns, and zero it. */
void piston_request_free(struct piston_request *request);

/* ---- files.c ---- */

/* Decode the files of a body into `submission`, and with `has_stdin` stdin as one more file. `texts` receives
 * the names of the files that are text, or with `takes_all` of all files, as arguments (pe_path_as_argument)
 * in order. Fails like piston_request_read(). */
int piston_files_decode(const json_t *body, bool takes_all, bool has_stdin, struct pe_buf *contents,
                        struct submission *submission, struct pe_arguments *texts,
                        struct pe_error *err) PE_MUST_CHECK;

/* Whether a file is declared to be text. */
bool piston_file_is_text(const json_t *file);

#endif
