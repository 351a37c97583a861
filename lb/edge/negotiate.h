/* SPDX-License-Identifier: Apache-2.0 */
/* Content negotiation: the Accept header (RFC 9110 section 12.5.1) compared with the media types on
 * offer. */
#ifndef PE_LB_EDGE_NEGOTIATE_H
#define PE_LB_EDGE_NEGOTIATE_H

#include <stddef.h>

enum { NEGOTIATE_TYPES_MAX = 8 };

/* The index of the best of `count` media types for an Accept header's value of `size` bytes; -1
 * if the header allows none of them. Among equals, and without a header, the first type wins. */
int negotiate_media_type(const char *accept, size_t size, const char *const *types, size_t count);

#endif
