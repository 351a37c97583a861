/* What a catalog entry will say of an image, put together from what says it: the OCI configuration, its
 * labels `pe.*`, a pe.json, the command line; the later overrides the earlier. A JSON object with the fields
 * of proto/image.h. */
#ifndef PE_IMAGE_CATALOG_ENTRY_H
#define PE_IMAGE_CATALOG_ENTRY_H

#include "base/buffer.h"
#include "base/error.h"
#include "image/flatten.h"
#include "proto/image.h"

#include <jansson.h>

/* Take entrypoint, command, environment, working directory, user, stop signal and labels. */
int catalog_entry_add_config(json_t *fields, const json_t *config, struct pe_error *err) PE_MUST_CHECK;

/* Take the fields of a pe.json. An unknown field is PE_ERR_INVALID: a typo must not be ignored. */
int catalog_entry_add_metadata(json_t *fields, const json_t *metadata, struct pe_error *err) PE_MUST_CHECK;

/* The same from a file; at most 256 KiB. `at` is a directory, or AT_FDCWD. */
int catalog_entry_add_file(json_t *fields, int at, const char *path, struct pe_error *err) PE_MUST_CHECK;

/* The same from a file of the user's own, whose examples may have a "path", relative to it, in place of
 * "text". */
int catalog_entry_add_user_file(json_t *fields, const char *path, struct pe_error *err) PE_MUST_CHECK;

/* The catalog entry: `fields`, the rootfs that was made of the image, its user resolved. */
int catalog_entry_to_image(json_t *fields, const struct flatten_result *made, struct pe_image *image,
                           struct pe_error *err) PE_MUST_CHECK;

#endif
