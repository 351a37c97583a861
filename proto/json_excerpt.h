/* SPDX-License-Identifier: Apache-2.0 */
/* Showing a wrong JSON value in a message. */
#ifndef PE_PROTO_JSON_EXCERPT_H
#define PE_PROTO_JSON_EXCERPT_H

#include <jansson.h>

#define PE_JSON_EXCERPT_SIZE 84

/* Write the beginning of a value as JSON, in ASCII, with "..." if it is cut. NULL is "nothing".
 * Returns `text`. */
const char *pe_json_excerpt(const json_t *value, char text[PE_JSON_EXCERPT_SIZE]);

#endif
