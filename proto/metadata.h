/* What a catalog entry says for people and pages; docs/images.md has the whole form. An image brings it as
 * `pe.json` or as OCI labels `pe.*`.
 *
 *   categories   strings
 *   inputs       what it takes: {"type": media type, "patterns": [globs of names]}, any number
 *   outputs      what it makes, the same
 *   examples     {"title", "file", "text", "stdin", "cmd"}: small files to try it with
 *   options      a subset of JSON Schema: an object whose properties are boolean, string (with or without
 *                enum), number or integer; each with `argv`, the words it adds, "{}" standing for its value
 *   piston       what it offers to Piston's clients (proto/runtimes.h)
 */
#ifndef PE_PROTO_METADATA_H
#define PE_PROTO_METADATA_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define PE_METADATA_BYTES_MAX 65536u /* as JSON text: all images of a host travel in one message */
#define PE_METADATA_ARGV_MAX 256u    /* words that all options of an image can add */

/* Copy the fields above out of an object that may have others, each checked: PE_ERR_MALFORMED names the one
 * that is wrong. `*metadata` is the caller's; NULL when there are none. */
int pe_metadata_parse(const json_t *json, json_t **metadata, struct pe_error *err) PE_MUST_CHECK;

/* The words that the defaults of the options add, an array of strings for the caller. */
json_t *pe_metadata_default_argv(const json_t *metadata);

/* Whether an image, as its catalog entry, says that it takes a file of this name: by the patterns of its
 * inputs and of its commands, matched against the path and against its last name. */
bool pe_metadata_accepts_file(const json_t *image, const char *file);

#endif
