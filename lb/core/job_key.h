/* What makes two jobs the same: SHA-256 over the image's catalog entry (its digest is in it), what the job
 * asks for, and the name and content of every file, in order. */
#ifndef PE_LB_CORE_JOB_KEY_H
#define PE_LB_CORE_JOB_KEY_H

#include "base/error.h"
#include "lb/core/submission.h"

#include <stdint.h>

struct job_key {
    uint8_t bytes[32];
};

/* The key of a request whose image has this identity (catalog_entry). `job.cache` is no part of it, nor is
 * the form in which the image was asked for. */
int job_key_make(const struct submission *submission, const char *image_identity, struct job_key *key,
                 struct pe_error *err) PE_MUST_CHECK;

/* A hash of a whole request: what its body is, and the body. */
int job_key_of_body(const void *content_type, size_t content_type_size, const void *body, size_t size,
                    struct job_key *key, struct pe_error *err) PE_MUST_CHECK;

/* memcmp's order, for tables. */
int job_key_compare(const struct job_key *a, const struct job_key *b);

#endif
