/* SPDX-License-Identifier: Apache-2.0 */
/* The source of everything that is random in a run: the bytes of a fuzzer's input, or a generator that
 * starts from a seed. A run is the same whenever its choices are the same. */
#ifndef PE_TESTS_MODEL_CHOICES_H
#define PE_TESTS_MODEL_CHOICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Choose from these bytes, one for each choice. They must stay where they are. */
void choices_from_bytes(const uint8_t *bytes, size_t size);

/* Choose from a generator. */
void choices_from_seed(uint64_t seed);

/* Whether all bytes are used up. Every choice is 0 then. */
bool choices_over(void);

/* A number below `count`, which is at most 256. */
unsigned choose(unsigned count);

/* True in about `percent` of all cases. The choice 0 is false. */
bool chance(unsigned percent);

#endif
