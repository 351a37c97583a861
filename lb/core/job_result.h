/* What became of one job: its result and the bytes of its parts, as they arrive and for as long as somebody
 * needs them. Counted references: the responses that are sent from it and the result cache share one. */
#ifndef PE_LB_CORE_JOB_RESULT_H
#define PE_LB_CORE_JOB_RESULT_H

#include "base/buffer.h"
#include "base/error.h"
#include "lb/edge/negotiate.h"
#include "proto/result.h"
#include "proto/slot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A whole response body, for an outcome that is given out again and again. */
struct rendered {
    char content_type[128];
    struct pe_buf body; /* empty while nobody asked for it */
};

struct job_result {
    unsigned refs;
    struct pe_result fields;
    struct pe_parts parts; /* stdout, stderr, then files; owned */
    struct pe_buf bytes;   /* of the parts, as many as have come */
    uint64_t size;         /* bytes that the parts announce together */
    bool complete;         /* all have come, and the worker said so */
    int64_t stored_at;     /* seconds since the epoch when a cache took it; 0 while none has */
    struct rendered rendered[RESULT_FORMATS]; /* lb/api/result_encoder.h's */
    size_t *account; /* bytes that all outcomes of this account hold; outlives them */
    size_t held;     /* what this one adds to it */
};

/* A new outcome with one reference; takes `parts` over, leaving them empty. NULL: `err` says why. */
struct job_result *job_result_new(size_t *account, const struct pe_result *fields, struct pe_parts *parts,
                                  struct pe_error *err);

struct job_result *job_result_ref(struct job_result *result);
void job_result_unref(struct job_result *result); /* NULL is allowed */

/* The next bytes. More than the parts announce are PE_ERR_MALFORMED. */
int job_result_append(struct job_result *result, const void *bytes, size_t size,
                      struct pe_error *err) PE_MUST_CHECK;

/* Bring the account up to date when something was added from outside. */
void job_result_settle(struct job_result *result);

/* No more will come; fewer than announced are PE_ERR_MALFORMED. */
int job_result_finish(struct job_result *result, struct pe_error *err) PE_MUST_CHECK;

/* A complete outcome that says vm_error, with empty stdout and stderr. */
struct job_result *job_result_vm_error(size_t *account, const char *image, const char *image_digest,
                                       const char *reason, struct pe_error *err);

/* A complete outcome as bytes for a store, and back. What comes back is checked like a worker's message: a
 * store may be shared, damaged or of another version; then PE_ERR_MALFORMED. */
int job_result_encode(const struct job_result *result, struct pe_buf *out,
                      struct pe_error *err) PE_MUST_CHECK;
struct job_result *job_result_decode(size_t *account, const void *bytes, size_t size, struct pe_error *err);

#endif
