/* SPDX-License-Identifier: Apache-2.0 */
/* Which images fit into one `hello` (proto/slot.h). Without this, a store with a few very large catalog
 * entries would keep its worker from registering at all. */
#ifndef PE_PROTO_HELLO_H
#define PE_PROTO_HELLO_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>

/* Bounds of all images of a `hello` together, besides PE_SLOT_TEXT_MAX and PE_HELLO_PATTERNS_MAX. Its JSON
 * becomes a tree of up to some hundred bytes for each value. The entry of an image has 30 to 150 values. */
#define PE_HELLO_IMAGES_MAX 4096u
#define PE_HELLO_VALUES_MAX 131072u

/* What the images that were taken so far need. Zero-initialise it. */
struct pe_hello_room {
    size_t images, bytes, values, patterns;
};

/* Count one more image, a catalog entry. PE_ERR_TOO_LARGE says which bound would be exceeded, and nothing is
 * counted then; a smaller one may still fit. PE_ERR_INTERNAL without memory. */
int pe_hello_room_take(struct pe_hello_room *room, const json_t *image, struct pe_error *err) PE_MUST_CHECK;

#endif
