/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a catalog entry that is for people and web pages; docs/images.md describes its form.
 * An image has it in a file `pe.json` or in OCI labels `pe.*`.
 *
 *   categories   strings
 *   inputs       files that it reads: an array of {"type": media type, "patterns": [globs]}
 *   outputs      files that it writes, in the same form
 *   examples     {"title", "file", "text", "stdin", "cmd"}: examples to try
 *   options      a subset of JSON Schema: an object whose properties are booleans, strings (perhaps
 *                with enum), numbers or integers. Each has `argv`, the arguments that it adds; "{}"
 *                stands for its value.
 *   piston       what the image offers to clients of Piston (proto/runtimes.h) */
#ifndef PE_PROTO_METADATA_H
#define PE_PROTO_METADATA_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define PE_METADATA_BYTES_MAX 65536u /* as JSON text: one message has all images of a worker */
#define PE_METADATA_ARGV_MAX 256u    /* arguments that all options of an image can add */

/* Patterns that tell which files an image accepts, of one image and of all images of a `hello`. A
 * pattern counts once for each 64 bytes that it has begun. The balancer matches all of them for one
 * request. */
#define PE_PATTERNS_MAX 256u
#define PE_HELLO_PATTERNS_MAX 4096u

/* Copy these fields out of an object that may have others, and check them. PE_ERR_MALFORMED names
 * the wrong field, PE_ERR_INTERNAL without memory. The caller owns the reference in `*metadata`, which is
 * NULL if the object has none of the fields. */
int pe_metadata_parse(const json_t *json, json_t **metadata, struct pe_error *err) PE_MUST_CHECK;

/* The arguments that the options add with their default values: a new array of strings, whose
 * reference is the caller's; NULL without memory. */
json_t *pe_metadata_default_argv(const json_t *metadata);

/* How many patterns a catalog entry has, counted as for PE_PATTERNS_MAX. */
size_t pe_metadata_count_patterns(const json_t *image);

/* True if a pattern of the image's inputs or commands matches the file's path or its last
 * component. `image` is a catalog entry. */
bool pe_metadata_accepts_file(const json_t *image, const char *file);

/* At most how much work pe_metadata_accepts_file is, in steps of a few nanoseconds. Who looks at many images
 * at once has to stop somewhere. */
size_t pe_metadata_match_work(const json_t *image, const char *file);

#endif
