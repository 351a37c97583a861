/* SPDX-License-Identifier: Apache-2.0 */
/* The source of an image: named files in a directory (an OCI image layout) or in an archive
 * (oci-archive, docker-archive). This file knows nothing about their meaning. A tar of a root
 * filesystem is not a source in this sense; image/layer.h reads it directly. */
#ifndef PE_IMAGE_SOURCE_H
#define PE_IMAGE_SOURCE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source_member {
    char *name;   /* clean path in the archive, see tree_clean_path; owned */
    char *target; /* clean path of a link's target; NULL for a file; owned */
};

struct source {
    int directory; /* descriptor; holds the files under their names, or numbered if spooled; -1: none */
    bool spooled;  /* the source is an archive */
    struct source_member *members; /* members of an archive; the index is the number of the file; owned */
    size_t count;
};
/* Close the directory and free everything. */
void source_close(struct source *source);
#define pe_autosource __attribute__((cleanup(source_close)))

/* Open the directory at `path`. The caller closes `source`. PE_ERR_INTERNAL when it cannot be opened. */
int source_open_directory(const char *path, struct source *source, struct pe_error *err) PE_MUST_CHECK;

/* Copy the files of an image's archive to the new directory `spool`. The caller closes `source`,
 * also after a failure. `name` is that of the archive, for messages. PE_ERR_TOO_LARGE when they have more
 * than `bytes_max` bytes or are too many, PE_ERR_INVALID for a name that is not allowed, PE_ERR_INTERNAL when
 * a file cannot be written, and the errors of image/packed_tar.h. */
int source_spool_archive(int fd, const char *name, const char *spool, uint64_t bytes_max,
                         struct source *source, struct pe_error *err) PE_MUST_CHECK;

/* Open a file of the source and set `*size` to its size in bytes. The caller closes the descriptor.
 * A name that begins with "/" is relative to the source's root.
 * Links in an archive are followed inside the archive. PE_ERR_NOT_FOUND when there is no such file,
 * PE_ERR_INVALID when it is not a regular file, PE_ERR_INTERNAL when it cannot be opened. */
int source_open_file(const struct source *source, const char *name, uint64_t *size,
                     struct pe_error *err) PE_MUST_CHECK;

/* Read a file of at most `limit` bytes into `out`. Errors as above; PE_ERR_TOO_LARGE for a larger
 * file. */
int source_read_file(const struct source *source, const char *name, size_t limit, struct pe_buf *out,
                     struct pe_error *err) PE_MUST_CHECK;

/* True if the source has a regular file of this name. */
bool source_has_file(const struct source *source, const char *name);

#endif
