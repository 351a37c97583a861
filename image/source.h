/* What an image comes as, before anybody asks what is in it: files by name, in a directory (an OCI image
 * layout) or in an archive of one (oci-archive, docker-archive), or a root filesystem's tar. */
#ifndef PE_IMAGE_SOURCE_H
#define PE_IMAGE_SOURCE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source_member {
    char *name;   /* clean path in the archive */
    char *target; /* of a link, a clean path too; NULL: a file */
};

struct source {
    int directory; /* holds the files: by their own names, or of an archive by number; -1: none */
    bool spooled;
    struct source_member *members; /* of an archive: number = index */
    size_t count;
};
void source_close(struct source *source);
#define pe_autosource __attribute__((cleanup(source_close)))

/* The image layout in a directory. */
int source_open_directory(const char *path, struct source *source, struct pe_error *err) PE_MUST_CHECK;

/* Find out what the archive in `fd`, a seekable file, is: 1 for an archive of an image, 0 for anything else,
 * which the caller takes for a root filesystem. Only names are looked at. */
int source_is_image_archive(int fd, const char *name, struct pe_error *err) PE_MUST_CHECK;

/* Copy the files of an image's archive, at most `bytes_max`, to the directory `spool`, which is made. */
int source_spool_archive(int fd, const char *name, const char *spool, uint64_t bytes_max,
                         struct source *source, struct pe_error *err) PE_MUST_CHECK;

/* Open a file of the source; the caller closes it. Links of an archive are followed inside it. A missing one
 * is PE_ERR_NOT_FOUND. */
int source_open_file(const struct source *source, const char *name, uint64_t *size,
                     struct pe_error *err) PE_MUST_CHECK;

/* The content of a small file. */
int source_read_file(const struct source *source, const char *name, size_t limit, struct pe_buf *out,
                     struct pe_error *err) PE_MUST_CHECK;

bool source_has_file(const struct source *source, const char *name);

#endif
