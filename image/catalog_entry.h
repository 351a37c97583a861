/* SPDX-License-Identifier: Apache-2.0 */
/* Building the catalog entry of an image from its OCI configuration, its labels `pe.*`, a pe.json
 * file and the command line, in this order. A later source overrides an earlier one. The entry is
 * built as `fields`, a JSON object with the fields of proto/image.h. Without memory, all functions
 * fail with PE_ERR_INTERNAL. */
#ifndef PE_IMAGE_CATALOG_ENTRY_H
#define PE_IMAGE_CATALOG_ENTRY_H

#include "base/buffer.h"
#include "base/error.h"
#include "image/flatten.h"
#include "proto/image.h"

#include <jansson.h>

/* Limit for the bytes of a pe.json file. */
#define CATALOG_ENTRY_FILE_MAX (256u * 1024u)

/* Add entrypoint, command, environment, working directory, user, stop signal and labels of an OCI
 * configuration (image-spec config.md). PE_ERR_MALFORMED when a field has the wrong type. */
int catalog_entry_add_config(json_t *fields, const json_t *config, struct pe_error *err) PE_MUST_CHECK;

/* Add the fields of a pe.json that has been read from an image. `name` is the file's name for
 * messages. PE_ERR_INVALID for an unknown field, so that a typo is not ignored, and for a wrong value;
 * PE_ERR_MALFORMED when it is no JSON object. */
int catalog_entry_add_text(json_t *fields, const struct pe_buf *text, const char *name,
                           struct pe_error *err) PE_MUST_CHECK;

/* Add the fields of the pe.json file at `path`, which the user named on the command line. Its
 * examples may have a "path", relative to the file, in place of "text". PE_ERR_TOO_LARGE for more
 * than CATALOG_ENTRY_FILE_MAX bytes; PE_ERR_INVALID also for an example that is no UTF-8;
 * PE_ERR_NOT_FOUND or PE_ERR_INTERNAL for a file that cannot be read; other errors as above. */
int catalog_entry_add_user_file(json_t *fields, const char *path, struct pe_error *err) PE_MUST_CHECK;

/* Make the catalog entry: `fields`, plus digest and size of the rootfs, plus the ids of the user,
 * which are looked up in the image's own /etc/passwd and /etc/group. `fields` is modified. The
 * caller frees `image`, also after a failure. PE_ERR_MALFORMED when a field is not valid, and
 * PE_ERR_INVALID when the user does not exist or its home directory is no UTF-8. */
int catalog_entry_to_image(json_t *fields, const struct flatten_result *made, struct pe_image *image,
                           struct pe_error *err) PE_MUST_CHECK;

#endif
