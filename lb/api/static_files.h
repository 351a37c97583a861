/* SPDX-License-Identifier: Apache-2.0 */
/* The files of the playground in memory: a folder that `make playground` wrote, read completely. */
#ifndef PE_LB_API_STATIC_FILES_H
#define PE_LB_API_STATIC_FILES_H

#include "base/buffer.h"
#include "base/error.h"

#include <stddef.h>

enum {
    STATIC_FILES_MAX = 512,
    STATIC_NAME_MAX = 96,            /* bytes */
    STATIC_FILE_BYTES_MAX = 4 << 20, /* of one file */
    STATIC_BYTES_MAX = 32 << 20      /* of all files, compressed ones included */
};

enum content_coding { CODING_IDENTITY, CODING_GZIP, CODING_BROTLI, CODINGS };

struct static_file {
    char path[STATIC_NAME_MAX + 16]; /* of the URL: "/", "/admin" or "/assets/NAME" */
    const char *type;                /* media type */
    struct pe_buf content[CODINGS];
    char etag[40]; /* of the uncompressed content, without quotes */
};

/* All files of one reading. Responses hold references, because the folder may be read again while they
 * are sent. */
struct static_files {
    size_t refs;
    struct static_file *files; /* sorted by path */
    size_t count;
    size_t bytes;
};

/* Read FOLDER/index.html, FOLDER/admin.html if it exists, and FOLDER/assets/NAME, each with NAME.gz and
 * NAME.br if they exist. PE_ERR_NOT_FOUND if the folder or index.html does not exist. PE_ERR_INVALID for a
 * name with other bytes than letters, digits, '.', '_' and '-', or without a known suffix. PE_ERR_TOO_LARGE
 * beyond the bounds above. PE_ERR_INTERNAL if something cannot be read, or without memory. On success, the
 * reference in `*files` (NULL: none yet) is replaced. On failure it stays as it was. */
int static_files_read(struct static_files **files, const char *folder, struct pe_error *err) PE_MUST_CHECK;

/* Take another reference, and drop one (NULL is allowed). */
struct static_files *static_files_ref(struct static_files *files);
void static_files_unref(struct static_files *files);

/* The file with this path, or NULL, also if `files` is NULL. It lives as long as `files`. */
const struct static_file *static_files_find(const struct static_files *files, const char *path, size_t size);

#endif
