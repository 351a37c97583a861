/* SPDX-License-Identifier: Apache-2.0 */
/* What makes two jobs the same: SHA-256 over the catalog entry of the image (which contains its
 * digest), the fields of the job, and the name and content of each file, in order. */
#ifndef PE_LB_CORE_JOB_KEY_H
#define PE_LB_CORE_JOB_KEY_H

#include "base/error.h"
#include "lb/core/submission.h"

#include <stdint.h>

struct job_key {
    uint8_t bytes[32];
};

/* Compute the key of a submission. `image_identity` is that of struct catalog_entry. The field
 * `cache` is not part of the key, nor is the form of the image reference, nor `isolation`: it says
 * which results are accepted, but not what the job does. PE_ERR_INTERNAL if hashing fails. */
int job_key_make(const struct submission *submission, const char *image_identity, struct job_key *key,
                 struct pe_error *err) PE_MUST_CHECK;

/* Hash the body of a request and its Content-Type. PE_ERR_INTERNAL if hashing fails. */
int job_key_of_body(const void *content_type, size_t content_type_size, const void *body, size_t size,
                    struct job_key *key, struct pe_error *err) PE_MUST_CHECK;

/* Compare like memcmp(3), for sorted tables. */
int job_key_compare(const struct job_key *a, const struct job_key *b);

#endif
