/* Random text for ids and boundaries, many times a second: getrandom(2), but not once for each. */
#ifndef PE_BASE_RANDOM_TEXT_H
#define PE_BASE_RANDOM_TEXT_H

#include <stddef.h>

/* `size` (at most 64) random bytes as 2*size hex digits and a NUL. Not for a process that forks without exec:
 * both would go on with the same bytes. */
void random_hex(char *text, size_t size);

#endif
