/* SPDX-License-Identifier: Apache-2.0 */
/* Control characters in texts that others wrote. A terminal that shows them obeys them. */
#ifndef PE_BASE_CONTROL_H
#define PE_BASE_CONTROL_H

#include <stddef.h>

/* The number of bytes of the control character with which `text`, of `length` bytes, begins; 0: it begins
 * with something else. Control characters are U+0000 to U+001F, U+007F, and in UTF-8 U+0080 to U+009F, which
 * some terminals obey as they do escape sequences (ECMA-48 section 5.3). */
size_t pe_control_size(const char *text, size_t length);

#endif
