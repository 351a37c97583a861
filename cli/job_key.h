/* SPDX-License-Identifier: Apache-2.0 */
/* The header PE-Job-Key (docs/api.md): a proxy in front of several balancers sends jobs with the same key to
 * the same one. playground/src/job_key.js computes the same. */
#ifndef PE_CLI_JOB_KEY_H
#define PE_CLI_JOB_KEY_H

#include "base/error.h"
#include "cli/files.h"
#include "codec/sha256.h"

/* Compute the key of a job, which is its JSON object, and its files, in their order. PE_ERR_INTERNAL if a
 * file cannot be read, or without memory. */
int job_key_compute(const char *job, const struct input_files *files, char key[PE_SHA256_HEX_SIZE],
                    struct pe_error *err) PE_MUST_CHECK;

#endif
