/* SPDX-License-Identifier: Apache-2.0 */
/* JSON as text that is kept in a file, or decides what a program may do. */
#ifndef PE_PROTO_JSON_DUMP_H
#define PE_PROTO_JSON_DUMP_H

#include <jansson.h>
#include <stddef.h>

/* The text of an object or array, complete or not at all: as json_dumps, which does not notice that memory
 * ran out at the name of a member (jansson 2.14, do_dump). The caller frees it. NULL without memory, and if
 * `json` is NULL. */
char *pe_json_dump(const json_t *json, size_t flags);

#endif
