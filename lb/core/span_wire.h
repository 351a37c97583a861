/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between pe-lb and its helper that exports spans, over a socket pair. Both are the same program
 * on the same machine, so a struct is the format. */
#ifndef PE_LB_CORE_SPAN_WIRE_H
#define PE_LB_CORE_SPAN_WIRE_H

#include <stdint.h>

/* pe-lb: the body of one request follows. */
struct span_frame {
    uint32_t size;  /* bytes of the body */
    uint32_t count; /* spans in it */
};

/* The helper: what became of one request. */
struct span_report {
    uint32_t count;    /* spans in it */
    uint32_t exported; /* 1: the collector has taken them */
};

#define SPAN_BODY_MAX (4u << 20) /* bytes */

#endif
