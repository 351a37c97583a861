/* What an image comes as, before anybody asks what is in it: files by name, in a directory (an OCI image
 * layout) or in an archive of one (oci-archive, docker-archive), or a root filesystem's tar. */
#ifndef PE_IMAGE_SOURCE_H
#define PE_IMAGE_SOURCE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct package_member {
    char *name;   /* clean path in the archive */
    char *target; /* of a link, a clean path too; NULL: a file */
};

struct package {
    int directory; /* holds the files: by their own names, or of an archive by number; -1: none */
    bool spooled;
    struct package_member *members; /* of an archive: number = index */
    size_t count;
};
void package_close(struct package *package);
#define pe_autopackage __attribute__((cleanup(package_close)))

/* The image layout in a directory. */
int package_open(const char *path, struct package *package, struct pe_error *err) PE_MUST_CHECK;

/* Find out what the archive in `fd`, a seekable file, is: 1 for an archive of an image, 0 for anything else,
 * which the caller takes for a root filesystem. Only names are looked at. */
int package_is_image(int fd, const char *name, struct pe_error *err) PE_MUST_CHECK;

/* Copy the files of an image's archive, at most `bytes_max`, to the directory `spool`, which is made. */
int package_spool(int fd, const char *name, const char *spool, uint64_t bytes_max, struct package *package,
                  struct pe_error *err) PE_MUST_CHECK;

/* Open a file of the package; the caller closes it. Links of an archive are followed inside it. A missing one
 * is PE_ERR_NOT_FOUND. */
int package_open_file(const struct package *package, const char *name, uint64_t *size,
                      struct pe_error *err) PE_MUST_CHECK;

/* The content of a small file. */
int package_read(const struct package *package, const char *name, size_t limit, struct pe_buf *out,
                 struct pe_error *err) PE_MUST_CHECK;

bool package_has(const struct package *package, const char *name);

#endif
