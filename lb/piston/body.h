/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a Piston request, which may be compressed: RFC 9110 section 8.4. */
#ifndef PE_LB_PISTON_BODY_H
#define PE_LB_PISTON_BODY_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether a Content-Encoding can be decoded: none (a size of 0), identity, gzip or deflate. */
bool piston_body_is_supported(const char *encoding, size_t size);

/* Append the body in its original form to `out`. The encoding must be supported; a body of gzip may have
 * several members. PE_ERR_MALFORMED if the body does not have this encoding, PE_ERR_TOO_LARGE if it has
 * more than `limit` bytes, or more than about so many when it is decompressed; PE_ERR_INTERNAL without
 * memory. */
int piston_body_decompress(const char *encoding, size_t encoding_size, struct pe_cursor body, size_t limit,
                           struct pe_buf *out, struct pe_error *err) PE_MUST_CHECK;

#endif
