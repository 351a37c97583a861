/* Messages between pe-lb and its store keeper, over a socket pair: both are the same program on the same
 * machine, so a struct is the format. */
#ifndef PE_LB_CORE_STORE_WIRE_H
#define PE_LB_CORE_STORE_WIRE_H

#include "lb/core/job_key.h"

#include <stdint.h>

enum store_kind {
    STORE_GET,     /* pe-lb: is there a result for `key`? */
    STORE_PUT,     /* pe-lb: keep this one */
    STORE_FOUND,   /* keeper: the answer to `tag` */
    STORE_MISSING, /* keeper: likewise */
};

struct store_frame {
    uint32_t size; /* bytes that follow: of a PUT or FOUND, an outcome's stored form */
    uint32_t kind;
    uint64_t tag; /* of a GET and its answer */
    struct job_key key;
};

#define STORE_PAYLOAD_MAX (24u << 20) /* bytes; more than any result with its names */

#endif
