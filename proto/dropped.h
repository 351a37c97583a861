/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the outputs that a result does not have, and what they are: symbolic links and other things that
 * are not files, and files that did not fit. The list is bounded, because a hostile program chooses the
 * names. A list of zero bytes is empty. */
#ifndef PE_PROTO_DROPPED_H
#define PE_PROTO_DROPPED_H

#include "base/error.h"
#include "codec/json_reader.h"
#include "codec/json_writer.h"

#include <stdbool.h>
#include <stddef.h>

#define PE_DROPPED_BYTES_MAX 1024u /* of all entries, with a NUL behind each type and each name */

struct pe_dropped {
    char texts[PE_DROPPED_BYTES_MAX + 1]; /* type, NUL, name, NUL, ...; an empty type is the end */
};

/* Add an entry. It is ignored if the guest contract does not have the type (proto/guest-contract.md), if
 * the name is empty, and if there is no room or there are PE_DROPPED_NAMES_MAX entries. */
void pe_dropped_add(struct pe_dropped *dropped, const char *type, const char *name);

/* The next entry: `*at` is 0 at first. Returns false at the end. The texts belong to the list; the name
 * may have any bytes. */
bool pe_dropped_next(const struct pe_dropped *dropped, size_t *at, const char **type, const char **name);

/* The value of a key `dropped` in the guest's result: a type, a space, and a name. Added as above. */
void pe_dropped_add_flat(struct pe_dropped *dropped, const char *value);

/* Append the array `dropped` of a result in JSON (docs/api.md), and read it. The reader ignores entries
 * that it cannot add. */
void pe_dropped_append_json(const struct pe_dropped *dropped, struct pe_json_writer *writer);
void pe_dropped_parse_json(struct pe_json_reader *reader, struct pe_dropped *dropped);

#endif
