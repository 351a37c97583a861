/* A clone of a snapshot has the template's clock and random state; the job brings its own. */
#ifndef PE_GUEST_FRESHNESS_H
#define PE_GUEST_FRESHNESS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Set CLOCK_REALTIME. */
int freshness_set_clock(uint64_t now_ns, struct pe_error *err) PE_MUST_CHECK;

/* Credit `size` bytes (at most 64) to the kernel's random pool and reseed its generator from it at once. */
int freshness_add_entropy(const uint8_t *bytes, size_t size, struct pe_error *err) PE_MUST_CHECK;

#endif
