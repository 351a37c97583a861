/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between pe-lb and its store helper, over a socket pair. Both are the same program on
 * the same machine, so a struct is the format. */
#ifndef PE_LB_CORE_STORE_WIRE_H
#define PE_LB_CORE_STORE_WIRE_H

#include "lb/core/job_key.h"

#include <stdint.h>

enum store_kind {
    STORE_GET,     /* pe-lb: is there a result for `key`? */
    STORE_PUT,     /* pe-lb: store this result */
    STORE_REMOVE,  /* pe-lb: forget the result for `key` */
    STORE_FOUND,   /* helper: the result for `tag` */
    STORE_MISSING, /* helper: there is no result for `tag` */
};

struct store_frame {
    uint32_t size; /* bytes that follow: in PUT and FOUND, the stored form of a result */
    uint32_t kind;
    uint64_t tag; /* in GET and its answer */
    struct job_key key;
};

#define STORE_PAYLOAD_MAX (24u << 20) /* bytes; no result with its names is larger */

#endif
