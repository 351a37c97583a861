/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a slot message (proto/slot.h): what the bytes that follow it are. */
#ifndef PE_PROTO_SLOT_PARTS_H
#define PE_PROTO_SLOT_PARTS_H

#include "base/error.h"
#include "codec/json_reader.h"
#include "codec/json_writer.h"
#include "proto/path.h"

#include <stddef.h>
#include <stdint.h>

enum pe_part_kind {
    PE_PART_FILE,
    PE_PART_STDOUT,
    PE_PART_STDERR,
    PE_PART_COMBINED,
    PE_PART_FOLDER, /* a folder of /output; it has no bytes */
};

/* One file or stream among the bytes that follow a message. */
struct pe_part {
    enum pe_part_kind kind;
    struct pe_path path; /* only of files and folders */
    uint64_t size;       /* bytes */
    uint32_t mode;       /* permission bits; only of files and folders in a result */
    uint32_t mtime;      /* seconds since 1970, likewise; 0: not known, as from an older worker */
};

struct pe_parts {
    struct pe_part *items; /* owned */
    size_t count;
};

/* Append a part, whose `mtime` is 0. `path` is NULL for streams. PE_ERR_INTERNAL without memory. */
int pe_parts_add(struct pe_parts *parts, enum pe_part_kind kind, const struct pe_path *path, uint64_t size,
                 uint32_t mode, struct pe_error *err) PE_MUST_CHECK;

/* The bytes of all parts together. */
uint64_t pe_parts_size(const struct pe_parts *parts);

/* Free the list. It is empty then. */
void pe_parts_free(struct pe_parts *parts);

/* Append the member `parts`, which has all parts but the folders. */
void pe_parts_append_json(struct pe_json_writer *writer, const struct pe_parts *parts);

/* Append the member `folders`. It is a member of its own, which older balancers ignore. */
void pe_parts_append_folders_json(struct pe_json_writer *writer, const struct pe_parts *parts);

/* Read the value of the member `parts` into an empty list, or that of `folders` behind it. What is not
 * valid or beyond proto/limits.h is a fault of the reader. */
void pe_parts_parse_json(struct pe_json_reader *reader, struct pe_parts *parts);
void pe_parts_parse_folders_json(struct pe_json_reader *reader, struct pe_parts *parts);

#endif
