/* SPDX-License-Identifier: Apache-2.0 */
/* Letting jansson run out of memory for a moment: what is made of JSON has to be complete, or not to be made.
 *
 *     for (size_t n = 0, failed = 1; failed; n++) {
 *         starve_json(n);
 *         ... make something
 *         failed = feed_json();
 *         ... it is complete, or there is an error
 *     }
 */
#ifndef PE_TESTS_STARVE_JSON_H
#define PE_TESTS_STARVE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>

static size_t starve_json_left;
static bool starve_json_failed;

/* For jansson while it is starved. */
static void *starve_json_malloc(size_t size)
{
    if (starve_json_left-- > 0)
        return malloc(size);
    starve_json_left = SIZE_MAX;
    starve_json_failed = true;
    return NULL;
}

/* From now on, the allocation with this number fails, from 0. The others succeed. */
static inline void starve_json(size_t number)
{
    starve_json_left = number;
    starve_json_failed = false;
    json_set_alloc_funcs(starve_json_malloc, free);
}

/* All succeed again. Returns whether one has failed. */
static inline bool feed_json(void)
{
    json_set_alloc_funcs(malloc, free);
    return starve_json_failed;
}

#endif
