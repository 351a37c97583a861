/* UTF-8 as RFC 3629 defines it: shortest forms only, no surrogates, nothing above U+10FFFF. */
#ifndef PE_BASE_UTF8_H
#define PE_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the valid sequence at `at`, of which `left` (at least 1) are there; 0 when there is none (RFC 3629
 * section 4). */
size_t pe_utf8_sequence_size(const uint8_t *at, size_t left);

#endif
