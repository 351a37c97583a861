/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes of outputs, as proto/expect.h defines them, for the balancer, which must not stand still: the guest
 * has no library that computes them quickly. */
#ifndef PE_LB_CASES_EXPECTED_H
#define PE_LB_CASES_EXPECTED_H

#include "base/buffer.h"
#include "base/error.h"
#include "codec/sha256.h"

#include <stdbool.h>

/* The hash of an output as it is compared. PE_ERR_INTERNAL without memory. */
int case_output_hash(bool is_exact, struct pe_cursor output, char hex[PE_SHA256_HEX_SIZE],
                     struct pe_error *err) PE_MUST_CHECK;

#endif
