/* SPDX-License-Identifier: Apache-2.0 */
/* Random text for ids and boundaries that are needed many times a second. One call of getrandom(2)
 * serves many texts. */
#ifndef PE_BASE_RANDOM_TEXT_H
#define PE_BASE_RANDOM_TEXT_H

#include <stddef.h>

/* Write `size` random bytes, at most 64, as 2 * `size` hex digits and a NUL. A process that forks
 * without exec must not use it, because parent and child would write the same bytes. */
void pe_pooled_random_hex(char *text, size_t size);

#endif
